package bureau

import (
	"context"
	"errors"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/personalization"
)

// widestBlock is the size of a PIN block of ISO 9564 format 4.
const widestBlock = 16

// mailers are the records of a PIN-mailer file that wait for the module; their places stand in the checker's records.
type mailers struct {
	references []card.PAN
	blocks     card.Secrets
	length     int // digits of the product's PINs
}

func newMailers(n int) *mailers { return &mailers{blocks: card.NewSecrets(n, widestBlock)} }

// mailer reads what a record prints of a PIN mailer and lets it wait for the module.
func (c *checker) mailer(rec *formats.Record, record int64) {
	if rec.Has(formats.CardPAN) {
		c.verdict.fault(record, FaultPANShown)
	}
	reference, err := card.NewPAN(rec.Get(formats.MailerReference))
	if err != nil {
		c.verdict.fault(record, FaultReference)
		return
	}
	block := rec.Get(formats.MailerPINBlock)
	if len(block) == 0 || len(block) > widestBlock {
		c.verdict.fault(record, FaultPIN)
		return
	}
	m := c.mailers
	m.blocks.Set(len(m.references), block)
	m.references, c.records = append(m.references, reference), append(c.records, record)
}

func (c *checker) flushMailers(ctx context.Context) error {
	m := c.mailers
	err := c.module.CheckBlocks(ctx, c.keys.ZPK, c.keys.PINFormat, m.references, m.blocks, m.length)
	if !errors.Is(err, hsm.ErrPINBlock) {
		return wrapCheck(err)
	}
	// One block is wrong, and the module does not say which: ask one at a time.
	one := card.NewSecrets(1, widestBlock)
	defer one.Wipe()
	for i := range m.references {
		one.Set(0, m.blocks.Reveal(i))
		err := c.module.CheckBlocks(ctx, c.keys.ZPK, c.keys.PINFormat, m.references[i:i+1], one, m.length)
		switch {
		case errors.Is(err, hsm.ErrPINBlock):
			c.verdict.fault(c.records[i], personalization.WrongPINBlock)
		case err != nil:
			return wrapCheck(err)
		}
	}
	return nil
}
