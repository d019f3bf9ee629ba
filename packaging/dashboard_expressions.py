#!/usr/bin/env python3
"""Checks the queries of a Grafana dashboard with promtool: dashboard_expressions.py DASHBOARD.json ALERTS.yml

Variables have no value outside Grafana, so each gets one that fits. A metric of an alert that no panel shows is also a
finding.
"""
import json
import re
import subprocess
import sys
import tempfile


def queries(node):
    """Yields every string under the key `expr`, at any depth."""
    if isinstance(node, list):
        for element in node:
            yield from queries(element)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "expr":
                yield value
            else:
                yield from queries(value)


def filled_in(query, values=()):
    """Returns a query with these values for its variables, or with values that fit."""
    query = re.sub(r"\$__(rate_)?interval|\$__range", "5m", query)
    return re.sub(r"\$\{?(\w+)\}?", lambda found: dict(values).get(found[1], "any"), query)


def metrics(text):
    """Returns the names of our metrics, without the suffix of histograms."""
    return {re.sub("_bucket$", "", name) for name in re.findall(r"\bpolysock_[a-z_]+|\bprocess_[a-z_]+", text)}


def main(dashboard, alerts):
    with open(dashboard, encoding="utf-8") as file:
        found = list(queries(json.load(file)))
    rules = [{"record": f"panel:{number}", "expr": filled_in(query)} for number, query in enumerate(found)]
    # JSON is valid YAML.
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        check = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if not found or check.returncode:
        print(check.stdout, check.stderr, file=sys.stderr)
        for rule in rules:
            print(rule["record"], rule["expr"], file=sys.stderr)
        return "a query is wrong, or there is none"
    with open(alerts, encoding="utf-8") as file:
        expressions = "".join(line for line in file if not line.lstrip().startswith(("#", "summary", "description")))
    missing = metrics(expressions) - metrics("\n".join(found))
    if missing:
        return f"the dashboard does not show {', '.join(sorted(missing))}, which alerts are about"
    print(f"{len(found)} queries, {len(metrics(chr(10).join(found)))} metrics")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
