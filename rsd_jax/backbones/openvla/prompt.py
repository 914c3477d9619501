"""The instruction as the prompt's tokens, by the tokenizer that lies beside the published weights."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rsd_jax.backbones.openvla.token_sequence import BEGIN, EMPTY, PADDING

TOKENIZER_FILE = "tokenizer.json"
"""Name of the file in a published folder."""


class PromptError(ValueError):
    """An instruction cannot be put to the model."""


def prompt_of(instruction: str) -> str:
    """The question that OpenVLA was trained on."""
    return f"In: What action should the robot take to {instruction.lower()}?\nOut:"


def encode_prompt(instruction: str, tokenizer_file: str, length: int) -> NDArray[np.int32]:
    """Token ids of the prompt, `BEGIN` first and `EMPTY` last, then `PADDING`: ``int32 [length]``.

    Args:
        instruction: what to do.
        tokenizer_file: a ``tokenizer.json`` of Llama's.
        length: places for the prompt.

    Raises:
        PromptError: there is no such file, it is none of Llama's tokenizer, or the prompt has more tokens than places.
    """
    ids = _tokenizer(tokenizer_file).encode(prompt_of(instruction)).ids
    if ids[:1] != [BEGIN]:
        raise PromptError(
            f"tokenizer_file={tokenizer_file} begins the prompt with token {ids[:1]}; Llama's begins with {BEGIN}. "
            "Use the tokenizer.json of the published folder"
        )
    if ids[-1] != EMPTY:
        ids = [*ids, EMPTY]
    if len(ids) > length:
        raise PromptError(
            f"instruction {instruction!r} makes a prompt of {len(ids)} tokens; prompt_length is {length}: raise it"
        )
    return np.asarray([*ids, *(PADDING,) * (length - len(ids))], np.int32)


@functools.cache
def _tokenizer(file: str) -> Tokenizer:
    if not file or not Path(file).is_file():
        raise PromptError(
            f"tokenizer_file={file!r} is no file; name the {TOKENIZER_FILE} of the published folder, or load a "
            "checkpoint of launch.convert_openvla, which holds it"
        )
    try:
        tokenizer = Tokenizer.from_file(file)
    except Exception as error:  # the library raises nothing narrower
        raise PromptError(f"tokenizer_file={file} cannot be read as a tokenizer: {error}") from error
    tokenizer.no_padding()  # both may be in the file, of whoever saved it while it was in use
    tokenizer.no_truncation()
    return tokenizer
