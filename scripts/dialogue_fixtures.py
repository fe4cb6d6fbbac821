#!/usr/bin/env python3
"""Write the rows and answers that Blue gives for the operations of a dialogue.

    scripts/dialogue_fixtures.py FOLDER...          write counts, export, hidden_tables and library.json
    scripts/dialogue_fixtures.py --check FOLDER...  compare them with the files, without times
    scripts/dialogue_fixtures.py --rules FILE       write the table of references and the error samples

A FOLDER contains inputs.json, as in tests/fixtures/dialogues. The script is a
second implementation of Blue's rules in plain Python. It shares no code with
the Go packages, so a test that compares the two shows an error in either.
Blue's known defects are part of its output: refs is null, the summary of a
round is its title, moves are dropped. Times are invented: each stored row is
one microsecond after the row before, each operation one minute.

An operation with "refused": true is one that Blue refuses. The script checks
the refusals that it knows (a closed gate) and skips the operation.
"""

import datetime
import json
import pathlib
import sys

START = datetime.datetime(2027, 1, 4, 9, 0, 0)
LETTERS = {"perspectives": "P", "tensions": "T", "recommendations": "R", "evidence": "E", "claims": "C"}
INITIAL = {"P": "open", "T": "open", "R": "proposed", "E": "cited", "C": "asserted"}
REF_TYPES = ["support", "oppose", "refine", "address", "resolve", "reopen", "question", "depend"]
PARTS = {"W": "wisdom", "C": "consistency", "T": "truth", "R": "relationships"}
METRICS = ["open_tensions", "new_perspectives", "converge_signals", "panel_size"]


class Dialogue:
    """The rows of one dialogue."""

    def __init__(self):
        self.operation, self.row = 0, 0
        self.dialogue, self.experts, self.rounds, self.entities = {}, {}, [], {letter: [] for letter in "PTREC"}
        self.refs, self.events, self.signals, self.verdicts = [], {letter: [] for letter in "PTR"}, {}, []
        self.moves = 0

    def now(self):
        self.row += 1
        at = START + datetime.timedelta(minutes=self.operation, microseconds=self.row)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000+00:00"

    # The operations.

    def apply(self, op):
        self.operation += 1
        if op.get("refused"):
            data = op["data"]
            if op["op"] == "verdict-register" and isinstance(data, dict) and data.get("verdict_type") == "final":
                assert self.blockers(), "the gate is open for " + data["verdict_id"]
            return
        {
            "create": self.create,
            "expert-register": self.expert,
            "expert-create": lambda data, _: self.expert(data | {"focus": None}, _),  # Blue does not store it
            "round-register": self.round,
            "signal": self.signal,
            "verdict-register": self.verdict,
        }[op["op"]](op["data"], op.get("round"))

    def create(self, data, _):
        self.dialogue = {
            "dialogue_id": slug(data["title"]), "title": data["title"], "question": data.get("question"), "status": "open",
            "created_at": self.now(), "converged_at": None, "total_rounds": 0, "total_alignment": 0,
            "output_dir": data.get("output_dir"), "calibrated": False, "background": background(data.get("background")),
        }

    def expert(self, data, _):
        assert data["expert_slug"] not in self.experts, "an expert twice"
        self.experts[data["expert_slug"]] = {
            "expert_slug": data["expert_slug"], "role": data["role"], "description": data.get("description"),
            "focus": data.get("focus"), "tier": data["tier"], "source": data["source"],
            "relevance": data.get("relevance"), "creation_reason": data.get("creation_reason"), "scores": {}, "total_score": 0,
            "first_round": data.get("first_round"), "created_at": self.now(),
        }

    def round(self, data, number):
        parts = data.get("score_components") or {}
        metrics = {name: data.get(name, 0) for name in METRICS}
        if max(metrics.values()) <= 0:
            metrics = dict.fromkeys(METRICS, 0)
        self.rounds.append({
            "round": number, "title": data.get("summary"), "score": data["score"], "summary": None, "status": "open",
            "created_at": self.now(), "completed_at": None, **{"score_" + part: parts.get(part, 0) for part in PARTS.values()}, **metrics,
        })
        self.dialogue["total_rounds"] = number + 1
        self.dialogue["total_alignment"] += data["score"]
        for kind in ("perspectives", "tensions", "recommendations", "evidence", "claims"):
            for item in data.get(kind, []):
                self.entity(LETTERS[kind], number, item)
        self.moves += len(data.get("moves", []))
        for update in data.get("tension_updates", []):
            self.update(number, update)
        for name, score in (data.get("expert_scores") or {}).items():
            if name in self.experts:
                expert = self.experts[name]
                expert["scores"][str(number)] = score
                expert["total_score"] = sum(expert["scores"].values())

    def entity(self, letter, number, item):
        seq = 1 + max((e["seq"] for e in self.entities[letter] if e["round"] == number), default=0)
        text = "description" if letter == "T" else "content"
        entity = {
            "id": f"{letter}{number:02}{seq:02}", "round": number, "seq": seq, "label": item["label"], text: item[text],
            "contributors": item.get("contributors", []), "status": INITIAL[letter], "refs": None, "created_at": self.now(),
        }
        if letter == "R":
            entity["parameters"], entity["adopted_in_verdict"] = item.get("parameters"), None
        self.entities[letter].append(entity)
        if letter in self.events:
            self.event(letter, entity, "created", number, entity["contributors"], None, entity["created_at"])
        for ref in item.get("references", []):
            row = {"source_type": letter, "source_id": entity["id"], "ref_type": ref["type"], "target_type": ref["target"][0],
                   "target_id": ref["target"], "created_at": self.now()}
            assert reference_error(letter, ref["type"], ref["target"][0]) is None, row
            if not any(same(row, r, ("source_id", "ref_type", "target_id")) for r in self.refs):
                self.refs.append(row)

    def event(self, letter, entity, kind, number, actors, via, at):
        name = "rec" if letter == "R" else {"P": "perspective", "T": "tension"}[letter]
        row = {name + "_round": entity["round"], name + "_seq": entity["seq"], "event_type": kind, "event_round": number,
               "actors": json.dumps(actors, ensure_ascii=False, separators=(",", ":")), "created_at": at}
        row.update({"reason": None, "reference": via} if letter == "T" else {"result_id": None})
        self.events[letter].append(row)

    def update(self, number, update):
        tension = next(t for t in self.entities["T"] if t["id"] == update["id"])
        tension["status"] = update["status"]
        by = update.get("by", [])
        self.event("T", tension, "created" if update["status"] == "open" else update["status"], number,
                   [by] if isinstance(by, str) else by, update.get("via"), self.now())

    def signal(self, data, number):
        self.signals.pop((number, data["expert_name"]), None)
        self.signals[number, data["expert_name"]] = {"round": number, "expert_name": data["expert_name"], "signaled_at": self.now()}

    def verdict(self, data, _):
        row = {name: data.get(name) for name in (
            "verdict_id", "verdict_type", "round", "author_expert", "recommendation", "description", "conditions", "vote", "confidence",
            "tensions_resolved", "tensions_accepted", "recommendations_adopted", "supporting_experts")}
        row.update({"key_evidence": None, "key_claims": None, "created_at": self.now()})
        self.verdicts.append(row)
        if row["verdict_type"] == "final":
            assert data.get("force") or not self.blockers(), self.blockers()
            self.dialogue.update({"status": "converged", "converged_at": row["created_at"]})

    # Blue's answers.

    def board(self):
        rows, sums = [], dict.fromkeys(["score", *PARTS], 0)
        for r in sorted(self.rounds, key=lambda r: r["round"]):
            score = {letter: r["score_" + part] for letter, part in PARTS.items()} | {"total": r["score"]}
            for name in PARTS:
                sums[name] += score[name]
            sums["score"] += r["score"]
            percent = r["converge_signals"] * 100.0 / r["panel_size"] if r["panel_size"] > 0 else 0.0
            rows.append({"round": r["round"], "score": score, "velocity": r["open_tensions"] + r["new_perspectives"],
                         **{name: r[name] for name in METRICS}, "converge_percent": percent, "cumulative": dict(sums)})
        return rows

    def blockers(self):
        board = self.board()
        if not board:
            return ["no rounds registered"]
        last, found = board[-1], []
        if last["velocity"] > 0:
            found.append(f'velocity={last["velocity"]} (open_tensions={last["open_tensions"]}, new_perspectives={last["new_perspectives"]})')
        if last["converge_percent"] < 100:
            found.append(f'converge_percent={last["converge_percent"]:.0f}% ({last["converge_signals"]}/{last["panel_size"]})')
        return found

    def export(self):
        def ordered(list, *keys):
            return sorted(list, key=lambda e: tuple(e[k] for k in keys))

        return {
            "dialogue": self.dialogue, "experts": ordered(self.experts.values(), "expert_slug"),
            **{name: ordered(self.entities[letter], "round", "seq") for name, letter in LETTERS.items()},
            "verdicts": ordered(self.verdicts, "round", "created_at"), "scoreboard": self.board(), "exported_at": self.now(),
        }

    def counts(self):
        """The numbers of stored entities, named as in an operations file."""
        return {
            "rounds": len(self.rounds), "experts": len(self.experts), **{name: len(self.entities[letter]) for name, letter in LETTERS.items()},
            "references": len(self.refs), "tension_updates": len(self.events["T"]) - len(self.entities["T"]), "moves": self.moves,
            "convergence_signals": len(self.signals), "expert_scores": sum(len(e["scores"]) for e in self.experts.values()),
            "verdicts": len(self.verdicts),
        }

    def tables(self):
        rows = {
            "convergence_signals": list(self.signals.values()), "moves": [],
            "perspective_events": self.events["P"], "recommendation_events": self.events["R"], "refs": self.refs,
            "rounds": self.rounds, "tension_events": self.events["T"],
        }
        return {"alignment_" + name: [{"dialogue_id": self.dialogue["dialogue_id"], **row} for row in list] for name, list in rows.items()}

    def library(self, ids):
        board = self.board()
        flat = [{"round": r["round"], "total": r["score"]["total"], **{k: r["score"][k] for k in PARTS}, "velocity": r["velocity"],
                 **{name: r[name] for name in METRICS}, "converge_percent": r["converge_percent"],
                 **{"cumulative_" + k: v for k, v in r["cumulative"].items()}} for r in board]
        blockers = self.blockers()
        return {
            "progress": self.progress(), "scoreboard": flat, "can_converge": {"blockers": blockers, "can_converge": not blockers},
            "signals": {str(r["round"]): [s["expert_name"] for key, s in sorted(self.signals.items()) if key[0] == r["round"]] for r in self.rounds},
            "expand_citations": {"ids": ids, "result": [self.cite(id) for id in ids]},
        }

    def progress(self):
        scores = [r["score"] for r in sorted(self.rounds, key=lambda r: r["round"])]
        velocity = scores[-1] - scores[-2] if len(scores) > 1 else 0
        converging = len(scores) > 2 and all(abs(scores[i] - scores[i - 1]) < 5 for i in (-1, -2))
        statuses = [t["status"] for t in self.entities["T"]]
        still = sum(s != "resolved" for s in statuses)
        current = max(self.dialogue["total_rounds"] - 1, 0)
        standing = sorted(self.experts.values(), key=lambda e: (-e["total_score"], e["expert_slug"]))
        left = 1 if converging or not still else max(still // 2, 1) if velocity > 0 else None
        return {
            "active_experts": [e["expert_slug"] for e in standing if e["first_round"] is not None and e["first_round"] <= current],
            "converging": converging, "current_round": current, "dialogue_id": self.dialogue["dialogue_id"], "est_rounds_remaining": left,
            "leaderboard": [[e["expert_slug"], e["total_score"]] for e in standing], "open_tensions": still,
            "resolved_tensions": statuses.count("resolved"), "round_scores": scores, "status": self.dialogue["status"],
            "total_alignment": self.dialogue["total_alignment"], "total_rounds": self.dialogue["total_rounds"], "velocity": velocity,
        }

    def cite(self, id):
        if len(id) != 5 or id[0] not in "PRTEC" or not id[1:].isdigit():
            return {"error": id + ": Query is not read-only"}
        found = [e for e in self.entities[id[0]] if e["id"] == id]
        if not found:
            return {"error": id + ": Query returned no rows"}
        e = found[0]
        text = e.get("description", e.get("content"))
        snippet = text if len(text.encode()) <= 200 else text.encode()[:200].decode(errors="ignore") + "..."  # Blue crashes inside a character
        return {"ok": {
            "display_id": id, "entity_type": id[0], "round": e["round"], "seq": e["seq"], "label": e["label"], "content": text,
            "content_snippet": snippet, "contributors": e["contributors"], "status": e["status"] if id[0] == "T" else None,
            "parameters": e.get("parameters"),
        }}


def slug(title):
    lower = "".join(c if c.isalnum() else "-" for c in title.lower())
    return "-".join(piece for piece in lower.split("-") if piece)


def background(given):
    return given and {name: given.get(name) for name in ("subject", "description", "constraints", "situation")}


def same(a, b, names):
    return all(a[name] == b[name] for name in names)


def citations(d):
    """The first two entities of each kind, and ids that cannot be cited."""
    ids = [e["id"] for letter in "PTREC" for e in sorted(d.entities[letter], key=lambda e: (e["round"], e["seq"]))[:2]]
    return ids + ["P9999", "X0101", "P01"]


# The rules of references.

def error(code, message, suggestion=None, context=None, field=None):
    return {"code": code, "context": context, "field": field, "message": message, "suggestion": suggestion}


def reference_error(source, kind, target):
    if kind in ("address", "resolve", "reopen") and target != "T":
        return error("invalid_ref_target", f"Reference type '{kind}' cannot target entity type '{target}'. Expected: T (Tension)",
                     "Use a T (Tension) entity as the target", {"expected_target": "T (Tension)", "ref_type": kind})
    if kind == "refine" and source != target:
        return error("invalid_ref_target", f"Reference type 'refine' requires same entity types. Source: {source}, Target: {target}",
                     "Use matching entity types for refine references (P→P, R→R, etc.)")
    return None


def mismatch(letter, id):
    return error("type_id_mismatch", f"Entity type '{letter}' doesn't match ID '{id}'. ID should start with '{letter}'",
                 f"Use an ID starting with '{letter}' (e.g., {letter}0101)")


def rules():
    kinds = "PRTEC"
    ids = {"P0203": 1, "T0001": 1, "R9909": 1, "E0099": 1, "C4200": 1, "T99": 0, "p0203": 0, "Q0101": 0, "P02031": 0, "": 0, "P 203": 0,
           "BRIOCHE-T0101": 0, "E01x1": 0, "C٠١٠١": 0}
    return {
        "parse_display_id": [{"id": id, "type": id[0], "round": int(id[1:3]), "seq": int(id[3:])} if ok else {"id": id, "rejected": True}
                             for id, ok in ids.items()],
        "display_id": [{"id": f"{kind}{round:02}{seq:02}", "in": {"type": kind, "round": round, "seq": seq}, "parses_back": max(round, seq) < 100}
                       for kind, round, seq in (("P", 3, 4), ("T", 0, 0), ("R", 10, 9), ("E", 99, 99), ("C", 100, 2), ("P", 7, 123))],
        "validate_ref_semantics": [{"source": source, "ref": kind, "target": target, "error": reference_error(source, kind, target)}
                                   for kind in REF_TYPES for source in kinds for target in kinds],
        "validate_id_type_match": [mismatch("T", "P0001")],
        "error_samples": [
            error("missing_field", "Required field 'label' is missing", field="label"),
            error("invalid_entity_type", "Invalid entity type 'X'. Must be one of: P, R, T, E, C",
                  "Use P (Perspective), R (Recommendation), T (Tension), E (Evidence), or C (Claim)", {"valid_types": list(kinds)}),
            error("invalid_ref_type", "Invalid reference type 'agree'. Must be one of: " + ", ".join(REF_TYPES),
                  "Use a valid reference type", {"valid_types": REF_TYPES}),
            mismatch("T", "P0001"),
            reference_error("P", "resolve", "P"),
            error("invalid_display_id", "Invalid display ID format 'MUFFIN-P0001'. Expected format: [P|R|T|E|C]RRSS (e.g., P0101, T0203)",
                  "Use format: type prefix + 2-digit round + 2-digit sequence (e.g., P0101)"),
        ],
    }


# Files.

def encode(value):
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def replay(folder):
    d = Dialogue()
    for op in json.loads((folder / "inputs.json").read_text())["ops"]:
        d.apply(op)
    return d


def documents(folder, ids=None):
    d = replay(folder)
    return {"counts.json": d.counts(), "export.json": d.export(), "hidden_tables.json": d.tables(), "library.json": d.library(ids or citations(d))}


def timeless(value):
    """The value without its times."""
    if isinstance(value, dict):
        return {k: "time" if k.endswith("_at") and v else timeless(v) for k, v in value.items()}
    if isinstance(value, list):
        return [timeless(v) for v in value]
    return value


def check(folder):
    differ = 0
    cited = json.loads((folder / "library.json").read_text())["expand_citations"]["ids"]  # a choice
    for name, document in documents(folder, cited).items():
        if not (folder / name).exists():
            continue
        there = json.loads((folder / name).read_text())
        a, b = encode(timeless(document)).splitlines(), encode(timeless(there)).splitlines()
        if a != b:
            differ += 1
            line = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"{folder}/{name}: line {line + 1}: {a[line:line + 1]} here, {b[line:line + 1]} there", file=sys.stderr)
    return differ


def main(args):
    if args[:1] == ["--rules"]:
        lists = (json.dumps(k) + ": [\n  " + ",\n  ".join(json.dumps(v, ensure_ascii=False) for v in list) + "\n ]" for k, list in rules().items())
        pathlib.Path(args[1]).write_text("{\n " + ",\n ".join(lists) + "\n}\n")
        return 0
    if args[:1] == ["--check"]:
        return min(1, sum(check(pathlib.Path(folder)) for folder in args[1:]))
    for folder in map(pathlib.Path, args):
        for name, document in documents(folder).items():
            (folder / name).write_text(encode(document))  # without a last newline, as Blue's export
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
