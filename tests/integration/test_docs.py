"""What is written about appnet is true: manual, samples, tutorial, completion."""

import os
import re
import signal
import subprocess

import pytest

from support.environment import BIN_DIR, SLOW, TOP, program
from support.process import run

DOC = TOP / "doc"
REGISTRY_SAMPLE = TOP / "conf/registry.conf"
SAMPLES = sorted(set((TOP / "conf").iterdir()) - {REGISTRY_SAMPLE})


def _table_options():
    """{(section as INI names it, option): is it required?} of the table that the readers use."""
    source = (TOP / "src/config/option.c").read_text(encoding="utf-8")
    titles = dict(re.findall(r'\[(SECTION_\w+)\] = \{\{"\w*", "(\w+)"\}', source))
    rows = re.findall(r'\{(SECTION_\w+), "(\w+)", \w+, IN_\w+\([\w.]+\), (true|false),', source)
    assert len(rows) == len(re.findall(r"^    \{SECTION_", source, re.MULTILINE)) > 20
    return {(titles[section], option): required == "true" for section, option, required in rows}


def _manual_options():
    """The same from the manual page."""
    page = (DOC / "appnet-sidecar.conf.5").read_text(encoding="utf-8")
    options = {}
    for section in re.split(r"^\.Ss ", page, flags=re.MULTILINE)[1:]:
        title = re.search(r"\[(\w+)", section.split("\n", 1)[0])[1]
        section = section.split("\n.Sh ", 1)[0]
        for entry in re.split(r"^\.It ", section, flags=re.MULTILINE)[1:]:
            option = re.match(r"Cm (\w+)\n", entry)[1]
            options[title, option] = "\nRequired.\n" in entry
    return options


def test_manual_of_the_configuration_has_every_option_and_no_other():
    assert _manual_options() == _table_options()


def _registry_options():
    """{option: is it required?} of what the registry reads."""
    source = (TOP / "src/registry/settings.c").read_text(encoding="utf-8")
    options = re.findall(r'strcmp\(name, "(\w+)"\) == 0', source)
    assert len(options) == len(set(options)) > 5
    needed = re.findall(r'"%s: (\w+) is missing', source)
    return {option: option in needed for option in options}


def test_manual_of_the_registrys_configuration_has_every_option_and_no_other():
    page = (DOC / "appnet-registry.conf.5").read_text(encoding="utf-8")
    section = page.split("\n.Sh OPTIONS\n", 1)[1].split("\n.Sh ", 1)[0]
    entries = re.split(r"^\.It ", section, flags=re.MULTILINE)[1:]
    explained = {re.match(r"Cm (\w+)\n", entry)[1]: "\nRequired.\n" in entry for entry in entries}
    assert explained == _registry_options()


def test_manual_of_the_registrys_configuration_has_its_defaults():
    page = (DOC / "appnet-registry.conf.5").read_text(encoding="utf-8")
    source = (TOP / "src/registry/settings.c").read_text(encoding="utf-8")
    for name in ("TLS_LISTEN", "HTTP_LISTEN"):
        assert re.search(rf'#define {name} "(.*)"', source)[1] + " if not given" in page
    assert "#define LEASE_SECONDS 15" in source and "\n15 if not given" in page
    assert "#define TTL_SECONDS (24 * 3600)" in source and "\n24h if not given" in page
    assert 'STORE_DEFAULT STORE_SQLITE "appnet.db"' in source and "Li sqlite:appnet.db" in page


def test_sample_of_the_registry_shows_every_option():
    text = REGISTRY_SAMPLE.read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+) *=", text, re.MULTILINE)) == set(_registry_options())


def _flags_of_help(*command):
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", run([*command, "--help"]).stdout))


def _flags_of_manual(page):
    """Where an option is explained, not where one is only mentioned."""
    text = (DOC / page).read_text(encoding="utf-8")
    flags = {
        "-" + flag
        for line in re.findall(r"^\.It Fl .*", text, re.MULTILINE)
        for flag in re.findall(r"Fl (-?[A-Za-z][a-z-]*)", line)
    }
    return flags


@pytest.mark.parametrize("name", ["appnet-sidecar", "appnet-registry"])
def test_manual_of_the_program_has_the_options_of_its_help(name):
    assert _flags_of_manual(f"{name}.8") == _flags_of_help(program(name))


# These the manual explains once, for all.
_OF_ALL = {"-o", "--registry", "--token-file", "--ca"}


def _commands():
    """All there are, as `appnet --help` lists them, without operands and options."""
    lines = re.findall(
        r"^  appnet ([a-z][a-z ]*[a-z])", run([program("appnet"), "--help"]).stdout, re.M
    )
    assert len(lines) > 15
    return [line.strip() for line in lines]


def _manual_section(title):
    text = (DOC / "appnet.1").read_text(encoding="utf-8")
    return text.split(f".Ss {title}\n", 1)[1].split("\n.Ss ", 1)[0].split("\n.Sh ", 1)[0]


def _explained(section):
    return {"-" + flag for flag in re.findall(r"^\.It Fl (-?[a-z-]+)", section, re.MULTILINE)}


def test_manual_of_the_command_line_has_the_options_of_its_help():
    for command in _commands():
        explained = _explained(_manual_section(f"appnet {command}"))
        flags = _flags_of_help(program("appnet"), *command.split()) - {"--help"}
        assert explained == flags - _OF_ALL, command
    assert _explained(_manual_section("Options of every command")) == _OF_ALL


def test_manual_of_the_command_line_has_no_other_command():
    text = (DOC / "appnet.1").read_text(encoding="utf-8")
    assert set(re.findall(r"^\.Ss appnet (.*)", text, re.MULTILINE)) == set(_commands())


@pytest.mark.parametrize("page", sorted(DOC.glob("*.[158]")), ids=lambda page: page.name)
def test_manual_page_is_well_formed(page):
    done = run(["groff", "-mandoc", "-Tutf8", "-ww", page])
    assert done.stdout and done.stderr == ""


def test_samples_show_every_option():
    text = "\n".join(sample.read_text(encoding="utf-8") for sample in SAMPLES)
    for section, option in _table_options():
        assert re.search(
            rf"^\s*{option}\s*=|^\[{section} ", text, re.MULTILINE
        ), f"no sample shows {section}.{option}"


@pytest.mark.parametrize("text", ["README.md", "doc/appnet-sidecar.8"])
def test_every_reason_is_explained(text):
    headers = "".join(header.read_text() for header in (TOP / "include/appnet/sidecar").glob("*.h"))
    reasons = re.findall(r'#define REASON_\w+ "([a-z-]+)"', headers)
    assert "not-authorised" in reasons
    explained = re.findall(r"^(?:\| `|\.It Cm )([a-z-]+)", (TOP / text).read_text(), re.MULTILINE)
    assert set(reasons) <= set(explained)


def test_every_reason_of_the_registry_is_explained():
    header = (TOP / "include/appnet/registry/state.h").read_text(encoding="utf-8")
    reasons = re.findall(r'#define STATE_\w+ "([a-z-]+)"', header)
    page = (DOC / "appnet-registry.8").read_text(encoding="utf-8")
    section = page.split("\n.Sh REASONS\n", 1)[1].split("\n.Sh ", 1)[0]
    explained = {
        word
        for line in re.findall(r"^\.It Cm (.*)", section, re.MULTILINE)
        for word in line.split(" , ")
    }
    assert "no-replica" in reasons and set(reasons) == explained


def test_log_of_the_registry_is_explained():
    """Each message that it may log, apart from those about what went wrong inside."""
    sources = (TOP / "src/registry").glob("*.c")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    messages = set(re.findall(r'\blog_(?:info|warn)\("([^"]+)"', text))
    messages |= set(re.findall(r'\baccepted\(action, "([^"]+)"', text))
    page = (DOC / "appnet-registry.8").read_text(encoding="utf-8")
    section = page.split("\n.Sh LOG\n", 1)[1].split("\n.Sh ", 1)[0]
    assert "connection accepted" in messages
    assert {message for message in messages if message not in section} == set()


def _tutorial(name):
    text = (TOP / "README.md").read_text(encoding="utf-8")
    text = text.split(f"<!-- tutorial {name}", 1)[1].split("<!-- end of the tutorial", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _with_pause(block, sidecar):
    """A block, and the pause of a person, who sees in the logs that what it has started works."""
    awaited = [
        (log, "registry started" if kind == "registry" else sidecar)
        for kind, log in re.findall(r"^appnet-(\w+) .* 2> (\S+) &$", block, re.MULTILINE)
    ]
    awaited += [
        (f"{name}.log", "configuration reloaded")
        for name in re.findall(r"kill -HUP \$(\w+)", block)
    ]
    tries = int(100 * SLOW)
    lines = [
        f"for try in {{1..{tries}}}; do grep -qs '{said}' {log} && break || sleep 0.1; done\n"
        for log, said in awaited
    ]
    return "".join([block, *lines, "sleep 1\n"])


def _run_tutorial(lab, name, ports, sidecar):
    """What it says, with sidecars whose log says `sidecar` when they work. Others of its ports may
    be free here than those that it names.
    """
    *blocks, end = _tutorial(name)
    script = "".join([_with_pause(block, sidecar) for block in blocks] + [end])
    assert script.count(f"grep -qs '{sidecar}'") == 2
    free = {port: str(lab.port()) for port in ports}
    assert all(port in script for port in ports)
    script = re.sub("|".join(ports), lambda port: free[port[0]], script)
    folder = lab.folder / "tutorial"
    folder.mkdir()
    environment = {**os.environ, "PATH": f"{BIN_DIR}:{os.environ['PATH']}"}
    if "15080" in free:
        environment["APPNET_REGISTRY"] = f"http://127.0.0.1:{free['15080']}"
    shell = subprocess.Popen(
        ["bash", "-euc", script],
        cwd=folder,
        text=True,
        start_new_session=True,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = shell.communicate(timeout=60 * SLOW)
    except subprocess.TimeoutExpired:
        left = run(["ps", "-s", shell.pid, "-o", "pid,stat,wchan:20,args"], check=False).stdout
        os.killpg(shell.pid, signal.SIGKILL)
        said, _ = shell.communicate()
        logs = [log.read_text() for log in folder.glob("*.log")]
        pytest.fail("\n".join(["the tutorial does not come to an end:", said, left, *logs]))
    if shell.returncode != 0:
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        pytest.fail("\n".join([said, *(log.read_text() for log in folder.glob("*.log"))]))
    return said


def test_tutorial_of_the_readme_with_a_registry_works(lab):
    ports = ["15010", "15080", "15008", "8080", "9090"]
    said = _run_tutorial(lab, "with a registry", ports, "registry connected")
    assert said.count("It came through the tunnel.") == 1, said
    assert "ESTABLISHED" in said and "not without --force" in said and "\nrefused\n" in said, said
    assert re.search(r"^web +http +\d+$", said, re.MULTILINE), said
    assert re.search(r"^shop +catalogue\* +web +http +\d+ +ESTABLISHED", said, re.MULTILINE), said


def test_tutorial_of_the_readme_without_a_registry_works(lab):
    ports = ["15008", "8080", "9090"]
    said = _run_tutorial(lab, "without a registry", ports, "sidecar started")
    assert said.count("It came through the tunnel.") == 1, said
    assert "ESTABLISHED" in said and "\nrefused\n" in said, said


def _completed(line):
    words = line.split(" ")
    script = (
        f". {TOP}/contrib/completions/appnet; "
        f"COMP_WORDS=({' '.join(w or chr(39) * 2 for w in words)}); "
        f"COMP_CWORD={len(words) - 1}; _appnet; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return set(run(["bash", "-c", script]).stdout.split())


@pytest.mark.parametrize(
    "line, expected",
    [
        ("appnet ca i", {"init", "issue"}),
        ("appnet status --sidecar x -o ", {"table", "json"}),
        ("appnet --v", {"--version"}),
        ("appnet add a b c d --w", {"--wait"}),
        ("appnet run -c x --timeout ", set()),
    ],
)
def test_completion(line, expected):
    assert _completed(line) == expected


def test_completion_has_every_command_and_option():
    for command in _commands():
        words = command.split()
        for count in range(len(words)):
            assert words[count] in _completed(" ".join(["appnet", *words[:count], ""])), command
        flags = _flags_of_help(program("appnet"), *words) | {"--help"}
        # Files stand where an operand is one.
        assert _completed(f"appnet {command} -") - {"--"} == flags, command


def test_completion_knows_the_short_forms():
    for short in ("list", "add", "remove"):
        assert short in _completed("appnet ")
        assert _completed(f"appnet {short} -") == _completed(f"appnet connection {short} -")
