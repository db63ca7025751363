#!/usr/bin/python3
"""Print what configparser makes of each file: values, or the error and its line."""
import configparser
import json
import sys


def read(path):
    parser = configparser.ConfigParser()
    try:
        with open(path, encoding="utf-8") as f:
            parser.read_file(f)
    except (configparser.Error, UnicodeDecodeError) as e:
        lineno = getattr(e, "lineno", None)
        if isinstance(e, configparser.ParsingError) and getattr(e, "errors", None):
            lineno = e.errors[0][0]
        return {"error": type(e).__name__, "line": lineno}
    out = {"sections": parser.sections(), "values": {}}
    for section in parser.sections() + [parser.default_section]:
        values = out["values"][section] = {}
        for key in parser[section]:
            value = {"raw": parser.get(section, key, raw=True)}
            try:
                value["value"] = parser.get(section, key)
            except configparser.InterpolationError as e:
                value["error"] = type(e).__name__
            values[key] = value
    return out


for name in sys.argv[1:]:
    result = json.dumps(read(name), indent=1, ensure_ascii=False, sort_keys=True)
    if len(sys.argv) == 2:
        print(result)
    else:
        with open(name + ".json", "w", encoding="utf-8") as f:
            f.write(result + "\n")
