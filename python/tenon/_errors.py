"""What the package raises. Messages are the compiler's and the runtime's: they name the file or tensor, what was found and what was expected."""


class Error(RuntimeError):
    """Anything that Tenon refuses or fails at."""


class CompileError(Error):
    """A model that cannot be compiled: the message holds the diagnostics, one a line."""


class QuantizationError(Error):
    """A model that cannot be quantized, samples that do not fit it, or a metric that gives no number."""


class RunError(Error):
    """A plan that cannot be opened or run. `status` names the runtime's code, such as "TN_BAD_PLAN"."""

    status = "TN_INVALID_ARGUMENT"


class InputError(RunError, ValueError):
    """An argument of a run does not fit the plan: its name, element type, shape or memory."""
