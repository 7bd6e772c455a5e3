"""The errors that a user can meet, each with the exit code of the command line."""


class RequestError(ValueError):
    """The request or the input is wrong; the message says what it is and what to do."""

    exit_code = 2


class OutOfMemory(RuntimeError):
    """The work does not fit into the memory it was given, even in the smallest pieces."""

    exit_code = 3


class Cancelled(BaseException):
    """The user, or the program that started us, asked to stop; no ``except Exception`` on the way holds it up."""

    def __init__(self, message: str = "cancelled", exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code
