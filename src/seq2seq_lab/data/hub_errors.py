"""What the libraries of the Hugging Face hub raise, as one line that says what to do."""

import contextlib
import re
from collections.abc import Iterator

from seq2seq_lab.errors import UserError, one_line

_CLIENTS = {"httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub"}
_OF_THE_NETWORK = re.compile(
    "Connect|Timeout|Offline|Network|Protocol|LocalEntry|IncompleteSnapshot"
)


@contextlib.contextmanager
def as_errors(name: str, kind: type[UserError], what: str) -> Iterator[None]:
    """Turn errors about the data set or model (`what`) of this name into a `kind`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of two libraries, their HTTP client, a file system and pyarrow
        raise kind(f"{name}: {reason(error, what)}") from error


def reason(error: Exception, what: str) -> str:
    """Return what went wrong and what to do."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "the hub gives it to those who accepted its conditions: do so on its page, then set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the hub has no such revision of it; name a commit, branch or tag that it has"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the hub has no such {what}, or it is private: check OWNER/NAME, or set HF_TOKEN"
    text = one_line(str(error).strip().partition("\n")[0])[:200] or type(error).__name__
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
        return f"the hub refuses it ({text}); set HF_TOKEN to a token that may do so"
    if is_connection_problem(error):
        return f"cannot be reached ({text}); check the network, or use a copy in a folder"
    return f"no usable {what} ({type(error).__name__}: {text})"


def is_connection_problem(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, is one of the network."""
    while error is not None:
        module, name = type(error).__module__.split(".")[0], type(error).__name__
        is_clients = module in _CLIENTS and _OF_THE_NETWORK.search(name) is not None
        if is_clients or isinstance(error, ConnectionError | TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False
