package kmsfault

import (
	"maps"
	"slices"
	"strconv"
)

// Narrower returns copies of the policy that each lack one part, by the name of
// that part. The parts are each statement that allows, and each of its actions,
// resources and values of conditions if it has more than one. They also are each
// pair of an action and a resource or value, if it has more than one of both.
// Each copy allows less than the whole, or the same if no request needs the
// part.
func (p Policy) Narrower() map[string]Policy {
	less := map[string]Policy{}
	for i, s := range p.Statement {
		if s.Effect != "Allow" {
			continue
		}
		less[s.Sid] = p.drop(i)
		for j, a := range several(s.Action) {
			less[s.Sid+" "+a] = p.change(i, func(s *Statement) { s.Action = slices.Delete(s.Action, j, j+1) })
		}
		for name, drop := range s.objects() {
			less[s.Sid+" "+name] = p.change(i, drop)
			for _, a := range several(s.Action) {
				less[s.Sid+" "+a+" "+name] = p.part(i, a, drop)
			}
		}
	}
	return less
}

// objects returns the functions that remove one resource or one value of a
// condition from a statement that has more than one, by name.
func (s Statement) objects() map[string]func(*Statement) {
	all := map[string]func(*Statement){}
	for j, r := range several(s.Resource) {
		all[r] = func(s *Statement) { s.Resource = slices.Delete(s.Resource, j, j+1) }
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			for j, v := range several(values) {
				all[key+" "+v] = func(s *Statement) { s.Condition[operator][key] = slices.Delete(s.Condition[operator][key], j, j+1) }
			}
		}
	}
	return all
}

// Looser returns copies of the policy that each lack one restriction, by its
// name. The restrictions are each condition of a statement that allows, and each
// statement that denies with its actions and resources.
func (p Policy) Looser() map[string]Policy {
	less := map[string]Policy{}
	for i, s := range p.Statement {
		for operator, keys := range s.Condition {
			for key := range keys {
				less[s.Sid+" "+operator+" "+key] = p.change(i, func(s *Statement) { delete(s.Condition[operator], key) })
			}
		}
		if s.Effect != "Deny" {
			continue
		}
		less[s.Sid] = p.drop(i)
		for j, a := range several(s.Action) {
			less[s.Sid+" "+a] = p.change(i, func(s *Statement) { s.Action = slices.Delete(s.Action, j, j+1) })
		}
		for j := range several(s.Resource) {
			less[s.Sid+" resource "+strconv.Itoa(j)] = p.change(i, func(s *Statement) { s.Resource = slices.Delete(s.Resource, j, j+1) })
		}
	}
	return less
}

// several returns the texts if there is more than one.
func several(t Texts) Texts {
	if len(t) < 2 {
		return nil
	}
	return t
}

func (p Policy) drop(i int) Policy {
	p.Statement = slices.Delete(slices.Clone(p.Statement), i, i+1)
	return p
}

// part returns a copy in which one statement is changed for only one of its
// actions.
func (p Policy) part(i int, action string, change func(*Statement)) Policy {
	alone := p.change(i, func(s *Statement) {
		s.Action = Texts{action}
		change(s)
	})
	others := p.change(i, func(s *Statement) {
		s.Action = slices.DeleteFunc(s.Action, func(a string) bool { return a == action })
	})
	others.Statement = append(others.Statement, alone.Statement[i])
	return others
}

// change returns a copy in which one statement is changed.
func (p Policy) change(i int, change func(*Statement)) Policy {
	p.Statement = slices.Clone(p.Statement)
	s := p.Statement[i]
	s.Action, s.Resource = slices.Clone(s.Action), slices.Clone(s.Resource)
	s.Condition = maps.Clone(s.Condition)
	for operator, keys := range s.Condition {
		s.Condition[operator] = maps.Clone(keys)
		for key, values := range keys {
			s.Condition[operator][key] = slices.Clone(values)
		}
	}
	change(&s)
	p.Statement[i] = s
	return p
}
