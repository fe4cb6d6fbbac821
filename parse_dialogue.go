package blue

import "encoding/json"

// ParseNewDialogue reads {title, question, output_dir, background, domain_id,
// ethos_id, calibrated}; background is {subject, description, constraints,
// situation}.
//
// Errors: a *JSONError; ErrInvalid when title or a background's subject is
// absent, or calibrated is neither true nor false.
func ParseNewDialogue(data []byte) (NewDialogue, []Warning, error) {
	in, o, err := readObject(data)
	if err != nil {
		return NewDialogue{}, nil, err
	}
	o.only("title", "question", "output_dir", "background", "domain_id", "ethos_id", "calibrated")
	d := NewDialogue{
		Title: o.required("title"), Question: o.text("question"), OutputDir: o.text("output_dir"),
		DomainID: o.text("domain_id"), EthosID: o.text("ethos_id"), Background: background(o),
	}
	switch raw := o.raw("calibrated"); string(raw) {
	case "", "false":
	case "true":
		d.Calibrated = true
	default:
		in.complain("calibrated must be true or false")
	}
	if err := in.err(); err != nil {
		return NewDialogue{}, in.warnings, err
	}
	return d, in.warnings, nil
}

func background(o jsonObject) *Background {
	object := o.object("background")
	if object.members == nil {
		return nil
	}
	object.only("subject", "description", "constraints", "situation")
	return &Background{
		Subject: object.required("subject"), Description: object.optional("description"),
		Constraints: object.present("constraints"), Situation: object.optional("situation"),
	}
}

// optional returns a text, nil if absent.
func (o jsonObject) optional(key string) *string {
	if o.raw(key) == nil {
		return nil
	}
	text := o.text(key)
	return &text
}

// present returns a member of any type, nil if absent or null.
func (o jsonObject) present(key string) json.RawMessage {
	if o.raw(key) == nil {
		return nil
	}
	return o.anyJSON(key)
}
