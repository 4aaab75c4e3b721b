"""The same route in each framework, one module each, so that a process imports only what it measures.

GET /users/{user_id} answers {"id": 7, "name": "user 7", "email": "user7@example.com", "roles": […]}: a path
parameter read as a number, and a JSON body out.
"""
