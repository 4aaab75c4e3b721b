"""The rates service: what a loan costs today, as the config centre says; chapter 5.2."""

__all__: list[str] = []
