package actions

import (
	"errors"
	"testing"
)

func TestEveryActionHasItsRules(t *testing.T) {
	out, fresh, smart := facts{issued: true, outstanding: 1}, facts{}, facts{issued: true, outstanding: 1, smart: true}
	two, none := facts{issued: true, outstanding: 2}, facts{issued: true}
	for _, c := range []struct {
		request Request
		card    facts
		want    error
	}{
		{Request{Action: None}, fresh, nil}, {Request{Action: None}, out, nil}, {Request{Action: None, Requested: 1}, out, errNoneRequested}, {Request{Action: None, Returned: 1}, out, errNoneReturned},
		{Request{Action: First, Requested: 1}, fresh, nil}, {Request{Action: First}, fresh, errRequested}, {Request{Action: First, Requested: 1}, out, errIssued},
		{Request{Action: First, Requested: 1}, facts{waits: true}, errFirstWaits}, {Request{Action: First, Requested: 2}, fresh, errOnePlastic},
		{Request{Action: Additional, Requested: 1}, out, nil}, {Request{Action: Additional, Requested: 1}, smart, errSmart}, {Request{Action: Additional}, out, errRequested},
		{Request{Action: Additional, Requested: 2}, out, errOnePlastic}, {Request{Action: Additional, Requested: 1}, fresh, errNothingIssued},
		{Request{Action: Replacement, Requested: 1}, smart, nil}, {Request{Action: Replacement}, out, errRequested}, {Request{Action: Replacement, Requested: 1}, fresh, errNothingIssued},
		{Request{Action: Replacement, Requested: 2}, out, errOverRequested}, {Request{Action: Replacement, Requested: 1}, none, errOverRequested}, {Request{Action: Replacement, Requested: 2}, two, errOnePlastic},
		{Request{Action: Replacement, Requested: 1, Returned: 1}, out, errNoneReturned}, {Request{Action: Replacement, Requested: 1, SameDay: true}, out, nil},
		{Request{Action: Replacement, Requested: 1, NewPIN: true}, out, errNewPIN},
		{Request{Action: Returned, Returned: 1}, out, nil}, {Request{Action: Returned}, out, errReturned}, {Request{Action: Returned, Returned: 2}, out, errOverReturned}, {Request{Action: Returned, Returned: 2}, two, nil},
		{Request{Action: Returned, Returned: 1, Requested: 1}, out, errNoneRequested},
		{Request{Action: Mailer}, out, nil}, {Request{Action: Mailer, NewPIN: true}, out, nil}, {Request{Action: Mailer, Requested: 1}, out, errNoneRequested}, {Request{Action: Mailer}, fresh, errNothingIssued},
		{Request{Action: Mailer, SameDay: true}, out, errSameDay},
		{Request{Action: Emergency, Requested: 1}, out, nil}, {Request{Action: Emergency, Returned: 1}, out, nil}, {Request{Action: Emergency}, out, errRequested}, {Request{Action: Emergency, Returned: 2}, out, errOverRequested},
		{Request{Action: Reissue}, out, nil}, {Request{Action: Reissue, Requested: 1}, out, nil}, {Request{Action: Reissue, SameDay: true}, out, errSameDay}, {Request{Action: Reissue}, fresh, errNothingIssued},
		{Request{Action: Renumbering}, out, errSystem}, {Request{Action: Technology}, out, errSystem},
	} {
		if err := c.request.check(c.card); !errors.Is(err, c.want) {
			t.Errorf("%+v of %+v: %v, want %v", c.request, c.card, err, c.want)
		}
	}
}
