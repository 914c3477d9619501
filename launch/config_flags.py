"""``--config FILE[:variant]`` and ``--config.key=value`` for every command line.

A config file ``configs/x.py`` holds ``get_config(variant="")``, which returns an ``ml_collections.ConfigDict``, and
``VARIANTS``, the names that `get_config` accepts. Its docstring is what ``--help`` shows.
"""

import argparse
import difflib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from launch.command_line import in_home, run_command

PROJECT = Path(__file__).parents[1]
"""Beside this package lies that of the project's own configurations, in a checkout and in an installation."""

HELP = ("--help", "-h", "-help", "--helpfull")


class ConfigError(ValueError):
    """The command line asks for a configuration that does not exist. The message names what does."""


def run(
    main: Callable[[ConfigDict], None],
    default: str | None = None,
    options: flags.FlagValues | None = None,
    expected: tuple[type[Exception], ...] = (ValueError, OSError, FloatingPointError),
) -> None:
    """Runs `main` as a command line: its configuration from the arguments, its expected errors as one message.

    Ctrl-C is no error and gets a line, and the exit status of shells for it.

    Args:
        main: called with the locked configuration.
        default: config file for when ``--config`` is not given.
        options: further absl flags, defined on a `FlagValues` of their own; parsed when `main` is called.
        expected: errors that are the user's to fix. With the variable ``RSD_TRACEBACK`` set they show their origin.
    """
    # Forced, for a library that warns while it is imported puts a handler there that shows no information.
    logging.basicConfig(level=logging.WARNING, format="%(levelname).1s %(name)s: %(message)s", force=True)
    for package in ("rsd_jax", "eval_bridge", "launch"):
        logging.getLogger(package).setLevel(logging.INFO)
    run_command(lambda: main(parse_config(sys.argv[1:], default, options)), expected)


def parse_config(
    arguments: Sequence[str], default: str | None = None, options: flags.FlagValues | None = None
) -> ConfigDict:
    """Loads a configuration and applies the overrides; ``--help`` shows its keys and leaves.

    Args:
        arguments: of the command line, without the program's name.
        default: ``FILE[:variant]`` for when ``--config`` is not given.
        options: further absl flags that may be among the arguments.

    Raises:
        ConfigError: no such file, variant or key, a value of the wrong type, an argument that is none of these.
    """
    options = flags.FlagValues() if options is None else options
    given, others = _split(arguments)
    source = given.config or default
    if given.help:
        print(_help_text(source, options))
        raise SystemExit(0)
    if source is None:
        raise ConfigError("no configuration given; add --config FILE[:variant], for example --config configs/rfsq.py")
    _, config = load_config(source)
    _check_keys(config, others, source)
    all_flags = flags.FlagValues()  # of this call alone, so that one process can parse several command lines
    all_flags.append_flag_values(options)
    command = ["", *others]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=all_flags, sys_argv=command)
        _, *unknown = all_flags(command)
        options.mark_as_parsed()
    except (flags.Error, TypeError, LookupError) as error:  # the others are of tuples: of an element or its type
        raise ConfigError(f"{error}; --help lists all keys of {source}") from error
    if unknown:
        raise ConfigError(f"arguments {unknown} are no flags; write --config.key=value, and --help for all keys")
    _expand_home(config)
    return config


def load_config(source: str) -> tuple[ModuleType, ConfigDict]:
    """Loads ``FILE[:variant]`` without overrides; returns the module of the file and the configuration.

    ``configs/x.py`` is the project's own from every folder that has no such file.

    Raises:
        ConfigError: no such file or variant, or not a config file.
    """
    name, has_variant, variant = source.partition(":")
    path = _in_home(name)
    if not path.is_file():
        path = PROJECT / path
    if not path.is_file():
        raise ConfigError(f"no config file {name!r}; {_suggestion(name, _config_files(Path(name).parent))}")
    specification = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ConfigError(f"{name!r} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{name!r} is not a config file: it has no get_config(variant)")
    variants = getattr(module, "VARIANTS", None)
    if has_variant and variants is not None and variant not in variants:
        raise ConfigError(
            f"{name} has no variant {variant!r}; {_suggestion(variant, [name for name in variants if name])}"
        )
    return module, module.get_config(variant) if has_variant else module.get_config()


def _config_files(folder: Path) -> list[str]:
    """The Python files in `folder` and the project's own configurations, each as one would name it."""
    own = (file.relative_to(PROJECT) for file in (PROJECT / "configs").glob("[a-z]*.py"))
    return sorted({str(file) for file in (*_in_home(str(folder)).glob("[a-z]*.py"), *own)})


def _split(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """``config`` and ``help`` of a command line, and its other arguments in order."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", "-config")
    parser.add_argument(*HELP, dest="help", action="store_true")
    try:
        return parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError("--config needs a value, FILE[:variant]") from error


def _check_keys(config: ConfigDict, arguments: Sequence[str], source: str) -> None:
    """Raises `ConfigError` for an override ``--config.KEY`` of what `config` does not have."""
    known = dict(_leaves(config))
    for argument in arguments:
        flag, _, key = argument.partition("=")[0].partition(".")
        key = key.partition("[")[0]  # an element of a tuple
        is_override = flag in ("--config", "-config", "--noconfig", "-noconfig")
        if is_override and key not in known and not isinstance(_section(config, key), ConfigDict):
            raise ConfigError(f"{source} has no key {key!r}; {_suggestion(key, list(known))}")


def _section(config: ConfigDict, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, ConfigDict) else None
    return value


def _expand_home(config: ConfigDict) -> None:
    """Replaces ``~`` at the beginning of a value by the home folder: shells leave ``--config.run_dir=~/x`` alone."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            _expand_home(value)
        elif isinstance(value, str):
            config[key] = _without_tilde(value)
        elif isinstance(value, tuple):
            config[key] = tuple(_without_tilde(item) if isinstance(item, str) else item for item in value)


def _without_tilde(value: str) -> str:
    return str(_in_home(value)) if value.startswith("~") else value


def _in_home(text: str) -> Path:
    try:
        return in_home(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _leaves(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _suggestion(name: str, valid: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    listed = f"valid: {', '.join(valid) or 'none'}"
    return f"did you mean {nearest[0]!r}? ({listed})" if nearest else listed


def _help_text(source: str | None, options: flags.FlagValues) -> str:
    lines = [(sys.modules["__main__"].__doc__ or "").strip(), ""]
    if names := list(options):
        lines += ["options:", *(f"  --{name}={options[name].default}  {options[name].help}" for name in names), ""]
    if source is None:
        return "\n".join([*lines, "--config FILE[:variant] --help shows the keys of a configuration."])
    module, config = load_config(source)
    return "\n".join(
        [
            *lines,
            f"--config {source}",
            (module.__doc__ or "").strip(),
            "",
            "keys and their values here:",
            *(f"  --config.{key}={value!r}" for key, value in _leaves(config)),
        ]
    )
