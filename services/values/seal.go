package values

import (
	"context"
	"errors"
	"fmt"
	"time"

	"platen/batch"
	"platen/card"
	"platen/programs"
	"platen/services/cards"
	"platen/sql/store"
)

// ErrDataKey says that an institution declares no zone with a data key of this code.
var ErrDataKey = errors.New("no zone of this code has a data key")

// Sealed are codes of a card as blocks of 8 bytes under a zone's data key (double-length TDES, ECB); what the card does not have is empty.
type Sealed struct {
	Issue                             int
	CVV, CVV2, ICVV, CSC5, CSC4, CSC3 []byte
	CVV2Until                         *time.Time // when a dynamic CVV2 is followed by the next
}

// Seal computes the security values of a card and enciphers each under the data key of a zone. It fails with ErrDataKey. That they were told is recorded before they are.
func (s *Service) Seal(ctx context.Context, a cards.Act, zone string) (Sealed, error) {
	c, err := s.find(ctx, a)
	if err != nil {
		return Sealed{}, err
	}
	return s.seal(ctx, a, c, zone, "security_values_told", func(v *batch.SecurityValues) ([]card.Secret, error) {
		return []card.Secret{v.CVV, v.CVV2, v.ICVV, v.CSC5, v.CSC4, v.CSC3}, nil
	})
}

// SealDynamic is TellDynamic with the CVV2 as a block under the data key of a zone. It fails with ErrNoDynamic and ErrDataKey.
func (s *Service) SealDynamic(ctx context.Context, a cards.Act, zone string) (Sealed, error) {
	c, err := s.dynamic(ctx, a)
	if err != nil {
		return Sealed{}, err
	}
	return s.seal(ctx, a, c, zone, "dynamic_cvv2_told", func(v *batch.SecurityValues) ([]card.Secret, error) {
		if v.CVV2Until == nil {
			return nil, ErrNoDynamic
		}
		return []card.Secret{{}, v.Printed(), {}, {}, {}, {}}, nil
	})
}

func (s *Service) seal(ctx context.Context, a cards.Act, c store.Card, zone, what string, choose func(*batch.SecurityValues) ([]card.Secret, error)) (Sealed, error) {
	z, err := s.sealing(ctx, a, zone)
	if err != nil {
		return Sealed{}, err
	}
	v, err := s.Plant.SecurityValues(ctx, a.Institution, c)
	if err != nil {
		return Sealed{}, fmt.Errorf("security values: %w", err)
	}
	defer v.Wipe()
	codes, err := choose(&v)
	if err != nil {
		return Sealed{}, err
	}
	blocks, err := s.Plant.SealCodes(ctx, z, codes)
	if err != nil {
		return Sealed{}, fmt.Errorf("security values: %w", err)
	}
	out := Sealed{Issue: v.Issue, CVV2Until: v.CVV2Until, CVV: blocks[0], CVV2: blocks[1], ICVV: blocks[2], CSC5: blocks[3], CSC4: blocks[4], CSC3: blocks[5]}
	return out, s.record(ctx, a, c.ID, what, map[string]any{"issue": v.Issue, "zone": z.Code, "key": string(z.DataKey)})
}

// sealing finds a zone with a data key.
func (s *Service) sealing(ctx context.Context, a cards.Act, code string) (*programs.Zone, error) {
	z, err := s.Plant.Zone(ctx, a.Institution, code)
	if errors.Is(err, store.ErrNotFound) || err == nil && z.DataKey == "" {
		return nil, ErrDataKey
	}
	return z, err
}
