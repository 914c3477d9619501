from pathlib import Path

import pytest
from absl import flags

from launch.config_flags import ConfigError, parse_config

CONFIG_FILE = '''"""Toy configuration: half a second on one core."""

import ml_collections

VARIANTS = ("", "tiny")


def get_config(variant: str = ""):
    config = ml_collections.ConfigDict()
    config.run_dir = "runs/default"
    config.training = ml_collections.ConfigDict({"steps": 100, "learning_rate": 1e-3})
    config.tasks = (1, 2)
    if variant == "tiny":
        config.training.steps = 2
    config.lock()
    return config
'''


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text(CONFIG_FILE)
    return str(path)


def test_file_variant_and_overrides(toy):
    config = parse_config(["--config", f"{toy}:tiny", "--config.training.learning_rate=1", "--config.tasks=(3,4)"])
    assert config.training.to_dict() == {"steps": 2, "learning_rate": 1.0}
    assert config.tasks == (3, 4)


def test_overrides_may_stand_before_the_file(toy):
    assert parse_config(["--config.training.steps=7", f"--config={toy}"]).training.steps == 7


def test_default_file(toy):
    assert parse_config(["--config.training.steps=7"], default=toy).training.steps == 7


def test_two_configurations_in_one_process_do_not_mix(toy):
    parse_config(["--config", toy, "--config.training.steps=7"])
    assert parse_config(["--config", toy]).training.steps == 100


def test_further_options_are_parsed(toy):
    options = flags.FlagValues()
    process_id = flags.DEFINE_integer("process_id", None, "Index.", flag_values=options)
    parse_config(["--process_id=3", "--config", toy], options=options)
    assert process_id.value == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.training.learning_rat=1"], "'training.learning_rat'; did you mean 'training.learning_rate'"),
        (["--config.learning=1"], "valid: run_dir, tasks, training.learning_rate, training.steps"),
        (["--config.training.steps=many"], "config.training.steps=many: invalid literal"),
        (["--stesp=3"], "Unknown command line flag 'stesp'"),
        (["extra"], r"\['extra'\] are no flags"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_valid(toy, arguments, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(["--config", toy, *arguments])


def test_unknown_variant_lists_the_valid_ones(toy):
    with pytest.raises(ConfigError, match=r"toy.py has no variant 'tny'; did you mean 'tiny'\? \(valid: tiny\)"):
        parse_config([f"--config={toy}:tny"])


def test_missing_file_names_the_nearest(toy):
    with pytest.raises(ConfigError, match=r"no config file .*toi.py.*did you mean .*toy.py"):
        parse_config([f"--config={toy.replace('toy', 'toi')}"])


def test_no_configuration_at_all():
    with pytest.raises(ConfigError, match=r"add --config FILE\[:variant\]"):
        parse_config([])


def test_help_shows_docstring_and_every_key_with_its_value(toy, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_config(["--config", f"{toy}:tiny", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "Toy configuration: half a second on one core." in text
    assert "--config.training.steps=2" in text
    assert "--config.run_dir='runs/default'" in text


def test_a_file_is_run_once(toy, capsys):
    with Path(toy).open("a") as file:
        file.write("\nprint('run')\n")
    parse_config(["--config", toy, "--config.training.steps=7"])
    assert capsys.readouterr().out == "run\n"


def test_the_configuration_is_locked(toy):
    with pytest.raises(AttributeError, match="locked"):
        parse_config(["--config", toy]).step = 3


@pytest.mark.parametrize("command", [["--config"], ["--config", "--config.training.steps=7"]])
def test_a_configuration_without_a_value_is_an_error(command):
    with pytest.raises(ConfigError, match=r"--config needs a value, FILE\[:variant\]"):
        parse_config(command)


def test_the_projects_own_files_are_found_from_every_folder_and_named_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_config(["--config", "configs/demos.py:tiny", "--config.seed=4"]).seed == 4
    with pytest.raises(ConfigError, match=r"did you mean 'configs/demos.py'\? .*configs/rfsq.py"):
        parse_config(["--config", "configs/demo.py"])


def test_a_file_of_ones_own_comes_before_the_projects(toy, tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "toy.py").rename(tmp_path / "configs" / "demos.py")
    monkeypatch.chdir(tmp_path)
    assert parse_config(["--config", "configs/demos.py:tiny"]).training.steps == 2


def test_a_tilde_is_the_home_folder_in_files_and_values(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = parse_config(["--config=~/toy.py", "--config.run_dir=~/runs/x"])
    assert config.run_dir == f"{tmp_path}/runs/x"
    assert parse_config(["--config=~/toy.py", "--config.run_dir=~"]).run_dir == str(tmp_path)
    assert parse_config(["--config=~/toy.py", "--config.run_dir=runs/~"]).run_dir == "runs/~"
