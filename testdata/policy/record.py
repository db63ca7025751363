#!/usr/bin/python3
"""Record what Koji's own policy code makes of cases.json, and of rules and patterns made up here.

Needs Koji's Python library:  PYTHONPATH=KOJI python3 record.py
"""
import fnmatch
import json
import os
import random

import koji
import koji.policy

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = koji.policy.findSimpleTests(vars(koji.policy))


def judge(case):
    try:
        rules = koji.policy.SimpleRuleSet(case["text"].splitlines(), TESTS)
    except Exception as e:
        return {"refused": type(e).__name__}
    out = {"answers": []}
    try:
        out["actions"] = sorted(rules.all_actions())
    except IndexError:
        out["actions"] = None  # of an empty action
    for data in case["data"]:
        try:
            action = rules.apply(data)
            out["answers"].append({"action": action, "rule": rules.last_rule()})
        except Exception as e:
            out["answers"].append({"error": type(e).__name__})
    return out


def made_up_rules(rnd, n):
    """Rule sets over four fields, some of them broken."""
    tests = ["all", "none", "true", "false", "has a", "has b", "bool a", "bool c", "match b x*", "match b *y z",
             "match_any d q r*", "match_all d q r*", "compare c > 3", "compare c = 3", "compare c != 3", "oops", "has"]
    weights = [8, 8, 3, 3, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0.2, 0.2]

    def block(depth):
        lines = []
        for _ in range(rnd.randint(0, 4)):
            line = rnd.choice(["", "  ", "\t"]) * depth
            line += rnd.choice([" && ", "&&"]).join(rnd.choices(tests, weights, k=rnd.choice([1, 1, 2, 3])))
            line += rnd.choice([" :: ", " :: ", "::", " !! "])
            if depth < 3 and rnd.random() < 0.3:
                lines.append(line + "{")
                lines += block(depth + 1)
                if rnd.random() < 0.98:
                    lines.append(" " * depth + "}")
            else:
                lines.append(line + rnd.choice(["allow", "deny", "deny some words", "use x"]))
            if rnd.random() < 0.1:
                lines.append(rnd.choice(["", "# words", "   # all :: never"]))
        return lines

    for i in range(n):
        data = []
        for _ in range(4):
            d = {}
            for field, values in (("a", ["", "x", None, 0]), ("b", ["xx", "zy", "z", None]),
                                  ("c", [0, 3, 4, 3.5]), ("d", [[], ["q"], ["q", "rr"], ["s"], ["q", "s"]])):
                if rnd.random() < 0.6:
                    d[field] = rnd.choice(values)
            data.append(d)
        yield {"name": "made up %d" % i, "text": "\n".join(block(0)), "data": data}


def globs(rnd, n):
    """Patterns over few characters, so that sets of all odd shapes occur, and texts that may match."""
    rows = []
    while len(rows) < n:
        pattern = "".join(rnd.choice("abc--]]![[[*?^\\&|~") for _ in range(rnd.randint(1, 9)))
        one = {}
        for _ in range(40):
            text = "".join(rnd.choice("abc-]![^\\*") for _ in range(rnd.randint(0, 4)))
            one.setdefault(fnmatch.fnmatchcase(text, pattern), text)
        if len(one) == 2:  # one text that matches and one that does not
            rows += [[pattern, text, match] for match, text in one.items()]
    return rows


def main():
    rnd = random.Random(40)
    with open(os.path.join(HERE, "cases.json"), encoding="utf-8") as f:
        cases = json.load(f)
    cases += made_up_rules(rnd, 150)
    for case in cases:
        case["koji"] = judge(case)
    rows = globs(rnd, 1600)
    with open(os.path.join(HERE, "koji.json"), "w", encoding="utf-8") as f:
        f.write('{"version": %s,\n"cases": [\n' % json.dumps(koji.__version__))
        f.write(",\n".join(json.dumps(c, sort_keys=True) for c in cases))
        f.write('\n],\n"globs": [\n')
        f.write(",\n".join(json.dumps(r) for r in rows))
        f.write("\n]}\n")
    print("%d cases, %d patterns, of which %d match" % (len(cases), len(rows), sum(r[2] for r in rows)))


main()
