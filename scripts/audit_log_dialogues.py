"""Compare the events of a dialogue with the dialogue's lines in an exported log
(docs/format.md §7). verify_audit_log.py uses this module.
"""
from audit_log_format import Bad, intact, place


class Dialogue:
    """The state of one dialogue by its events, compared with its lines."""

    def __init__(self, name):
        self.name, self.commits, self.boundary, self.erased = name, {}, 0, ""
        self.root, self.n, self.hash, self.lent = {"state": "gone"}, 0, "", {}

    def event(self, e):
        version, operation, outcome = e["root_version"], e.get("operation"), e.get("outcome")
        if "root_hash" in e:
            self.commits[version, e["chain"], e["seq"]] = e["root_hash"]
        elif (operation, outcome) == ("encrypt", "success"):
            raise Bad("event_without_write", f"chain {e['chain']} seq {e['seq']} names no root")
        elif (operation, outcome) == ("boundary", "success"):
            self.boundary = max(self.boundary, version)
        elif operation == "erase" and outcome in ("intent", "success"):
            self.erased = max(self.erased, outcome)  # intent < success

    def pointer(self, sk, p, chains):
        if self.root.get("state") in ("copying", "moving"):
            return
        self.n += 1
        chain, seq = p.get("chain"), p.get("seq")
        where, e = f"dialogue {self.name} version {self.n}", self.lent.get((chain, seq))
        if place(sk) != self.n:
            raise Bad("write_without_event", where + ": its pointer is gone")
        self.hash = self.commits.pop((self.n, chain, seq), None)
        if self.hash:
            return
        wrong = e and (not intact(e) or "root_hash" not in e or
                       [e.get(k) for k in ("chain", "seq", "dialogue", "root_version")] != [chain, seq, self.name, self.n])
        if wrong or not e and (chain in chains or self.n <= self.boundary):
            raise Bad("write_without_event", where + ": its pointer leads to no event of this commit")
        if self.n > self.boundary:
            raise Bad("missing_chain", where + f": chain {chain} is not of this log")
        self.hash = e["root_hash"]

    def end(self):
        state, version = self.root.get("state"), self.root.get("root_version", 0)
        reached = max([self.n, self.boundary] + [v for v, _, _ in self.commits])
        if state in ("copying", "moving"):
            return
        if state == "erased":
            wrong = "" if self.erased else "write_without_event"
        elif state == "gone":
            wrong = "event_without_write" if reached and self.erased != "success" else ""
        elif self.erased == "success" or self.n >= version < reached:
            wrong = "event_without_write"
        else:
            wrong = "write_without_event" if version > self.n or not version or self.root.get("root_hash") != self.hash else ""
        if wrong or self.commits:
            raise Bad(wrong or "event_without_write", f"dialogue {self.name} is {state}, version {version}; the log holds version {reached}")
