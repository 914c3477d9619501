import numpy as np
import pytest

from rsd_jax.backbones.openvla.prompt import PromptError, encode_prompt, prompt_of
from rsd_jax.backbones.openvla.token_sequence import EMPTY, PADDING
from tests.rsd_jax.stored_models.openvla_files import tokenizer


@pytest.fixture
def file(tmp_path):
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path / "tokenizer.json")


def test_the_question_has_the_instruction_in_lower_case():
    assert prompt_of("Pick UP") == "In: What action should the robot take to pick up?\nOut:"


def test_a_beginning_in_front_and_an_empty_word_at_the_end(file):
    ids = encode_prompt("pick up", file, 18).tolist()
    assert ids[0] == 1
    assert ids[-4:] == [301, EMPTY, PADDING, PADDING]
    assert ids.count(EMPTY) == 1


def test_a_prompt_that_is_too_long_says_how_long_it_is(file):
    with pytest.raises(PromptError, match="makes a prompt of 16 tokens; prompt_length is 15: raise it"):
        encode_prompt("pick up", file, 15)


def test_a_missing_or_another_tokenizer_is_named(tmp_path):
    with pytest.raises(PromptError, match=r"tokenizer_file='' is no file; name the tokenizer\.json of the published"):
        encode_prompt("pick up", "", 20)
    (tmp_path / "damaged.json").write_text("{}")
    with pytest.raises(PromptError, match=r"damaged\.json cannot be read as a tokenizer"):
        encode_prompt("pick up", str(tmp_path / "damaged.json"), 20)
    other = tokenizer()
    other.post_processor = None
    other.save(str(tmp_path / "other.json"))
    with pytest.raises(PromptError, match=r"begins the prompt with token \[300\]; Llama's begins with 1"):
        encode_prompt("pick up", str(tmp_path / "other.json"), 20)


def test_padding_and_truncation_that_were_saved_with_the_tokenizer_are_left_out(tmp_path):
    expected = tmp_path / "plain.json"
    tokenizer().save(str(expected))
    in_use = tokenizer()
    in_use.enable_padding(length=30)
    in_use.save(str(tmp_path / "padded.json"))
    in_use.no_padding()
    in_use.enable_truncation(5)
    in_use.save(str(tmp_path / "truncated.json"))
    plain, *others = (
        encode_prompt("pick up the bowl", str(tmp_path / f"{name}.json"), 32)
        for name in ("plain", "padded", "truncated")
    )
    for other in others:
        np.testing.assert_array_equal(other, plain)
