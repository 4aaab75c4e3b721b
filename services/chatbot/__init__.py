"""The chatbot: answers customers with what the language model finds, by their names; chapter 5.3.1."""

__all__: list[str] = []
