"""A sidecar's configuration as a dict, written in either of its two forms."""

_SECTIONS = {
    "outbounds": ("outbound", "name"),
    "inbounds": ("inbound", "name"),
    "connections": ("connection", "outbound"),
    "allow": ("allow", "inbound"),
}


def write(path, settings):
    """The ending of the path decides: .conf or .ini."""
    form = {".conf": libconfig, ".ini": ini}[path.suffix]
    new = path.with_suffix(".new")
    new.write_text(form(settings), encoding="utf-8")
    new.rename(path)


def libconfig(settings):
    return "".join(f"{name} = {_libconfig_value(value)};\n" for name, value in settings.items())


def _libconfig_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{\n" + "".join(f"  {k} = {_libconfig_value(v)};\n" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_libconfig_value, value)) + ")"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def ini(settings):
    plain = {
        name: value
        for name, value in settings.items()
        if not isinstance(value, (dict, list, tuple))
    }
    text = _ini_section("sidecar", plain)
    for name, value in settings.items():
        if isinstance(value, dict):
            text += _ini_section(name, value)
        elif name in _SECTIONS:
            section, title = _SECTIONS[name]
            for entry in value:
                rest = {k: v for k, v in entry.items() if k != title}
                text += _ini_section(f"{section} {entry[title]}", rest)
    return text


def _ini_section(title, options):
    lines = [f"[{title}]"]
    for name, value in options.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n\n"
