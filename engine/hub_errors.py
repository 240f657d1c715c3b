"""What a failed download from the Hub means, in words: the same for models and data sets."""


def hub_refusal(name: str, noun: str, error: Exception, instead: str) -> tuple[str, str]:
    """(what happened, what to do next). `noun`: model or data set; `instead`: what of one's own could be named."""
    from huggingface_hub import errors  # here, because it takes half a second that local files need not pay

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name} is gated: its owner must grant access first.",
            f"Ask for it on the {noun}'s page, then log in with `hf auth login`.",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"There is no {noun} {name} on the Hub, or it is private.",
            f"Check its name, log in first, or name a local {instead}.",
        )
    # Whichever HTTP library the client has below it: every other failure means the same here.
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300].rstrip(".")
    return f"{name} could not be downloaded: {first}.", f"Check the connection, or name a local {instead}."
