"""The command line: how it starts, where options come from, and how it fails."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import document_cli
import pytest
from click.testing import CliRunner, Result

from ridgeway.cli.command import Command, json_option
from ridgeway.cli.federation import federation
from ridgeway.cli.main import ridgeway

ROOT = Path(__file__).parents[2]
HEAVY = (
    "numpy",
    "scipy",
    "grpc",
    "transformers",
    "tokenizers",
    "huggingface_hub",
    "rich",
    "cryptography",
    "aiohttp",
    "prometheus_client",
    "opentelemetry",
)


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(
        ridgeway, arguments, env={"RIDGEWAY_DATA_DIR": None, **variables}, auto_envvar_prefix="RIDGEWAY"
    )


def test_starting_imports_nothing_heavy() -> None:
    code = f"import sys, ridgeway.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_lists_every_command_and_the_exit_codes() -> None:
    text = run("--help").output
    assert all(f"\n  {name} " in text for name in ridgeway.commands)
    assert all(f"\n    {code} " in text for code in (0, 1, 2, 3, 4, 130))


@pytest.mark.parametrize("name", ridgeway.commands)
def test_each_command_and_option_says_what_it_does(name: str) -> None:
    command = ridgeway.commands[name]
    undocumented = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert command.help
    assert undocumented == []
    assert run(name, "--help").exit_code == 0


def test_the_page_of_commands_is_current() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == document_cli.page(), "run scripts/document_cli.py"


def test_what_reports_can_report_as_json() -> None:
    without = {"completion"}
    below = {f"federation {name}": command for name, command in federation.commands.items()}
    for name, command in {**ridgeway.commands, **below}.items():
        assert name in without or isinstance(command, click.Group) or any("--json" in p.opts for p in command.params), (
            name
        )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_RIDGEWAY_COMPLETE" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status"],
        ["route", "--data-dir", "x"],
        ["route", "a", "--file", "b", "--data-dir", "x"],
        ["join", "--data-dir", "x"],
        ["join", "--data-dir", "x", "--domain", "law"],
        ["join", "--data-dir", "x", "--expert", "law=ftp://x"],
        ["join", "@missing", "--data-dir", "x"],
        ["invite", "bob", "--data-dir", "x", "--expires", "tomorrow"],
        ["coordinator", "--data-dir", "x", "--ridge", "-1"],
        ["coordinator", "--data-dir", "x", "--ridge", "much"],
        ["coordinator", "--data-dir", "x", "--listen", "nowhere"],
        ["node", "--data-dir", "x", "--refresh", "often"],
        ["gateway", "--data-dir", "x", "--listen", "nowhere"],
        ["gateway", "--data-dir", "x", "--listen", "127.0.0.1:65536"],
        ["gateway", "--data-dir", "x", "--deadline", "0"],
        ["gateway", "--data-dir", "x", "--switch-confidence", "2"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["status"], "does not exist|neither|is no coordinator"),
        (["route", "hello"], "does not exist"),
        (["leave"], "does not exist"),
        (["invite", "bob"], "does not exist"),
        (["join", "rubbish"], "this is no invitation"),
        (["join", "rw2_abc"], "another version"),
        (["join", "rw1_abc"], "damaged"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_code_1(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    plain = run(*arguments, "--data-dir", str(folder))
    assert plain.exit_code == 1, plain.output
    assert any(part in plain.output for part in sentence.split("|"))
    assert "Traceback" not in plain.output
    document = json.loads(run(*arguments, "--data-dir", str(folder), "--json").output)
    assert set(document) == {"error", "message"}
    assert any(part in document["message"] for part in sentence.split("|"))


@pytest.mark.parametrize("command", ["coordinator", "node"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--http", "192.0.2.1:8443"], "--http-token-file"),
        (["--http", "nowhere"], "no HOST:PORT"),
        (["--http", "127.0.0.1:0", "--http-key", "k.pem"], "--http-certificate"),
        (["--http-token-file", "token"], "add --http"),
    ],
)
def test_http_that_is_not_safe_is_refused_before_anything_is_made(
    command: str, options: list[str], sentence: str, tmp_path: Path
) -> None:
    result = run(command, "--data-dir", str(tmp_path / "x"), *options)
    assert (result.exit_code, sentence in result.output) == (1, True), result.output
    assert not (tmp_path / "x").exists()


def captured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for the node command's body and keep its options."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ridgeway.commands["node"], "callback", lambda **options: seen.update(options))
    return seen


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "ridgeway.toml"
    config.write_text('data-dir = "from-file"\n[node]\nrefresh = "1m"\nlisten = "127.0.0.1:1"\n')
    seen = captured(monkeypatch)
    assert run("--config", str(config), "node").exit_code == 0
    assert (str(seen["data_dir"]), seen["refresh"], seen["listen"]) == ("from-file", 60.0, "127.0.0.1:1")
    run("--config", str(config), "node", RIDGEWAY_NODE_REFRESH="2m", RIDGEWAY_DATA_DIR="from-variable")
    assert (str(seen["data_dir"]), seen["refresh"]) == ("from-variable", 120.0)
    run("--config", str(config), "node", "--refresh", "3m", RIDGEWAY_NODE_REFRESH="2m")
    assert seen["refresh"] == 180.0
    run("node", "--data-dir", "x", RIDGEWAY_CONFIG=str(config))
    assert seen["refresh"] == 60.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[node]\nrefersh = '1m'\n", "[node] refersh is no option"),
        ("[nodes]\nrefresh = '1m'\n", "no such command"),
        ("colour = 'red'\n", "colour is no option"),
        ("not toml", "is no TOML"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    config = tmp_path / "ridgeway.toml"
    config.write_text(text)
    result = run("--config", str(config), "node", "--data-dir", "x")
    assert result.exit_code == 2
    assert sentence in result.output
    assert str(config) in result.output


def test_eval_reports_accuracy_as_data() -> None:
    folders = ("--train", str(ROOT / "samples" / "train"), "--test", str(ROOT / "samples" / "test"))
    result = run("eval", *folders, "--json")
    document = json.loads(result.output)
    assert document["domains"] == ["coding", "finance", "legal", "medical"]
    assert document["balanced_accuracy"] > 0.75
    assert [sum(row) for row in document["confusion"]] == [18, 18, 18, 18]
    pair = json.loads(run("eval", *folders, "--domains", "legal,coding", "--rule", "scores", "--json").output)
    assert pair["balanced_accuracy"] > 0.85


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "/data/x: No space left on device; make room there, and run it again"),
        (errno.EROFS, "/data/x: Read-only file system; name a place that may be written"),
        (errno.EACCES, "/data/x: Permission denied; look at the owner and the mode of what lies there"),
    ],
)
def test_a_refusal_of_the_system_is_a_sentence(number: int, said: str) -> None:
    """Found by a soak: a daemon that started on a full disk ended with a traceback."""
    result = CliRunner().invoke(_failing(number), ["--json"])
    assert result.exit_code == 1
    assert json.loads(result.output) == {"error": "SystemRefused", "message": said}


def test_what_nobody_has_advice_for_shows_its_traceback() -> None:
    result = CliRunner().invoke(_failing(errno.EBADF), [])
    assert isinstance(result.exception, OSError)


def _failing(number: int) -> click.Command:
    @click.command(cls=Command)
    @json_option
    def failing(as_json: bool) -> None:
        raise OSError(number, os.strerror(number), "/data/x")

    return failing
