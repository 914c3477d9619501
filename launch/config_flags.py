"""``--config FILE[:variant]`` and ``--config.key=value`` for every command line.

A config file ``configs/x.py`` holds ``get_config(variant="")``, which returns an ``ml_collections.ConfigDict``, and
``VARIANTS``, the names that `get_config` accepts. Its docstring is what ``--help`` shows.
"""

import difflib
import importlib.util
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

PROJECT = Path(__file__).parents[1]


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
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    logging.getLogger("absl").setLevel(logging.WARNING)
    try:
        main(parse_config(sys.argv[1:], default, options))
    except expected as error:
        if os.environ.get("RSD_TRACEBACK"):
            raise
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:  # everything that must end has ended on the way here
        print("\nstopped; the same command goes on from what this one has kept", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


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
    source = _config_argument(arguments) or default
    if {"--help", "-h", "--helpfull", "-help"} & set(arguments):
        print(_help_text(source, options))
        raise SystemExit(0)
    if source is None:
        raise ConfigError("no configuration given; add --config FILE[:variant], for example --config configs/rfsq.py")
    _, config = load_config(source)
    _check_keys(config, arguments, source)
    all_flags = flags.FlagValues()  # of this call alone, so that one process can parse several command lines
    all_flags.append_flag_values(options)
    try:
        holder = config_flags.DEFINE_config_file(
            "config", default, flag_values=all_flags, sys_argv=["", *_config_first(arguments)]
        )
        _, *unknown = all_flags(["", *_config_first(arguments)])
        options.mark_as_parsed()
    except (flags.Error, TypeError) as error:  # a tuple of the wrong element type is reported as TypeError
        raise ConfigError(f"{error}; --help lists all keys of {source}") from error
    if unknown:
        raise ConfigError(f"arguments {unknown} are no flags; write --config.key=value, and --help for all keys")
    return holder.value


def load_config(source: str) -> tuple[ModuleType, ConfigDict]:
    """Loads ``FILE[:variant]`` without overrides; returns the module of the file and the configuration.

    Raises:
        ConfigError: no such file or variant, or not a config file.
    """
    path, has_variant, variant = source.partition(":")
    if not Path(path).is_file() and (PROJECT / path).is_file():
        path = str(PROJECT / path)  # the project's own, from whatever folder the command is called
    if not Path(path).is_file():
        others = sorted(str(file) for file in Path(path).parent.glob("[a-z]*.py"))
        raise ConfigError(f"no config file {path!r}; {_suggestion(path, others)}")
    specification = importlib.util.spec_from_file_location(f"config_{Path(path).stem}", path)
    if specification is None or specification.loader is None:
        raise ConfigError(f"{path!r} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{path!r} is not a config file: it has no get_config(variant)")
    variants = getattr(module, "VARIANTS", None)
    if has_variant and variants is not None and variant not in variants:
        raise ConfigError(
            f"{path} has no variant {variant!r}; {_suggestion(variant, [name for name in variants if name])}"
        )
    return module, module.get_config(variant) if has_variant else module.get_config()


def _config_argument(arguments: Sequence[str]) -> str | None:
    """Value of ``--config X`` or ``--config=X``."""
    for index, argument in enumerate(arguments):
        name, assigned, value = argument.partition("=")
        if name in ("--config", "-config"):
            if assigned:
                return value
            if index + 1 < len(arguments):
                return arguments[index + 1]
            raise ConfigError("--config needs a value, FILE[:variant]")
    return None


def _config_first(arguments: Sequence[str]) -> list[str]:
    """Moves ``--config`` before its overrides, the order that ml_collections asks for."""
    for index, argument in enumerate(arguments):
        if argument in ("--config", "-config"):
            return [*arguments[index : index + 2], *arguments[:index], *arguments[index + 2 :]]
        if argument.startswith(("--config=", "-config=")):
            return [argument, *arguments[:index], *arguments[index + 1 :]]
    return list(arguments)


def _check_keys(config: ConfigDict, arguments: Sequence[str], source: str) -> None:
    known = dict(_leaves(config))
    for argument in arguments:
        match = re.match(r"--?(no)?config\.(?P<key>[^=\[]+)", argument)
        if match and match["key"] not in known and not isinstance(_section(config, match["key"]), ConfigDict):
            raise ConfigError(f"{source} has no key {match['key']!r}; {_suggestion(match['key'], list(known))}")


def _section(config: ConfigDict, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, ConfigDict) else None
    return value


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
