package bureau

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Dice decide which records of a good file a bureau rejects or spoils. A decision is a keyed function of the seed and the record's
// identifier: the order of files and records, restarts and repetitions do not change it.
type Dice struct {
	Seed           string
	RejectPermille int // of a thousand records, those that the bureau will not make
	SpoilPermille  int // of a thousand records, those that it spoils in the making
}

// What a bureau says of one record.
const (
	Produced = "PRODUCED"
	Rejected = "REJECTED"
	Spoiled  = "SPOILED"
)

var (
	rejections = [...]string{"name_too_long", "unknown_design", "address_incomplete"}
	spoilages  = [...]string{"chip_failed", "print_smeared", "encoder_jam"}
)

// Roll decides one record: its status, and a reason unless it is Produced.
func (d Dice) Roll(uid string) (status, reason string) {
	sum := d.draw(uid)
	pick := binary.BigEndian.Uint32(sum[8:])
	switch n := int(binary.BigEndian.Uint64(sum) % 1000); {
	case n < d.RejectPermille:
		return Rejected, rejections[pick%uint32(len(rejections))]
	case n < d.RejectPermille+d.SpoilPermille:
		return Spoiled, spoilages[pick%uint32(len(spoilages))]
	}
	return Produced, ""
}

// roll draws a number below a thousand for whatever a name stands for.
func (d Dice) roll(name string) int { return int(binary.BigEndian.Uint64(d.draw(name)) % 1000) }

func (d Dice) draw(name string) []byte {
	mac := hmac.New(sha256.New, []byte(d.Seed))
	mac.Write([]byte(name))
	return mac.Sum(nil)
}
