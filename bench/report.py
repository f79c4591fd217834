"""What every area of scripts/bench prints: a table for people, or with --json one object a line; and what counts as holding."""

import json
import operator
import statistics

OPERATORS = {">=": operator.ge, "<=": operator.le}


class Report:
    """Rows in the order in which they were measured. A row without a target is there to be read and always holds."""

    def __init__(self):
        self.rows = []

    def figure(self, name, value, unit):
        self.rows.append({"name": name, "value": value, "unit": unit, "op": None, "target": None, "holds": True})

    def target(self, name, value, unit, op, target):
        self.rows.append({"name": name, "value": value, "unit": unit, "op": op, "target": target,
                          "holds": OPERATORS[op](value, target)})

    def holds(self):
        return all(row["holds"] for row in self.rows)

    def print_json(self):
        for row in self.rows:
            print(json.dumps(row | {"value": round(row["value"], 3)}), flush=True)

    def print_ratios(self):
        rows = [row for row in self.rows if row["op"] or row["unit"] == "x"]
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            verdict = "holds" if row["holds"] else "DOES NOT HOLD"
            target = f"target {row['op']} {row['target']:g}  {verdict}" if row["op"] else "no target"
            print(f"{row['name']:{width}}  {row['value']:6.2f} {row['unit']}  {target}")


def median(rounds, name, figure):
    return statistics.median(results[name][figure] for results in rounds)


def median_ratio(rounds, name, base, figure):
    """Each ratio is taken within one round, so that what slows the machine down for a while slows both sides."""
    return statistics.median(results[name][figure] / results[base][figure] for results in rounds)
