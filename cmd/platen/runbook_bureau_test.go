package main_test

import (
	"fmt"
	"path/filepath"

	"platen/delivery"
)

const southIsAway = `UPDATE bureau_links SET failing_since = '2026-01-05 06:00:00+00:00'`

var bureauRehearsals = []rehearsal{
	{
		runbook: "BUREAU_UNREACHABLE", name: "its address has changed", about: "bureau south",
		programs: func(d *desk) {
			d.edit("programs/bureaus/south.yaml", `address: \S+`, fmt.Sprintf("address: 127.0.0.1:%d", freePort(d.t)))
		},
		trouble: func(d *desk) {
			d.order()
			d.becomes(1, "RELEASED")
			d.work()
			d.sql(southIsAway)
		},
		way: func(d *desk) {
			d.says(d.as("platen bureau list"), "unreachable")
			d.as("platen file show N", "N", "1")
			d.edit("programs/bureaus/south.yaml", `address: \S+`, "address: "+d.server.Addr)
			d.as("platen apply -f programs")
			d.produced(1)
		},
	},
	{
		runbook: "BUREAU_UNREACHABLE", name: "it refuses our key", about: "bureau south",
		trouble: func(d *desk) {
			stranger, _, err := delivery.NewSSHKeyPair("stranger")
			must(d.t, err)
			put(d.t, filepath.Join(d.dir, "keys", "south-sftp"), stranger)
			d.order()
			d.becomes(1, "RELEASED")
			d.work()
		},
		way: func(d *desk) {
			d.says(d.as("platen bureau list"), "auth_failed")
			put(d.t, filepath.Join(d.dir, "keys", "south-sftp"), d.server.IdentityPEM) // the pair that the bureau has installed
			d.as("platen bureau retry CODE", "CODE", "south")
			d.produced(1)
		},
	},
	{
		runbook: "BUREAU_UNREACHABLE", name: "it shows another key", about: "bureau south",
		trouble: func(d *desk) {
			_, other, err := delivery.NewSSHKeyPair("the old host")
			must(d.t, err)
			put(d.t, filepath.Join(d.dir, "keys", "south-host.pub"), other)
			d.order()
			d.becomes(1, "RELEASED")
			d.work()
		},
		way: func(d *desk) {
			d.says(d.as("platen bureau list"), "host_key_mismatch")
			pinned := filepath.Join(d.dir, "keys", "south-host.pub")
			put(d.t, pinned, append(read(d.t, pinned), d.server.HostKey+"\n"...))
			d.as("platen bureau retry CODE", "CODE", "south")
			d.produced(1)
		},
	},
	{
		runbook: "KEY_ENDS", name: "the bureau's", about: "its key, bureau south",
		trouble: func(d *desk) {
			put(d.t, filepath.Join(d.dir, "keys", "south-pgp.pub.asc"), d.gpgKey("10d", "--export"))
		},
		way: func(d *desk) {
			d.says(d.as("platen bureau list"), "its OpenPGP key ends on")
			file := filepath.Join(d.dir, "keys", "south-pgp.pub.asc")
			put(d.t, file, append(read(d.t, file), d.gpgKey("2y", "--export")...))
			d.order()
			d.produced(1)
		},
	},
	{
		runbook: "KEY_ENDS", name: "ours", about: "our key, bureau south",
		trouble: func(d *desk) {
			put(d.t, filepath.Join(d.dir, "keys", "platen-pgp.asc"), d.gpgKey("10d", "--export-secret-keys"))
		},
		way: func(d *desk) {
			d.says(d.as("platen bureau list"), "our OpenPGP key ends on")
			file := filepath.Join(d.dir, "keys", "platen-pgp.asc")
			put(d.t, file, append(read(d.t, file), d.gpgKey("2y", "--export-secret-keys")...))
			d.order()
			d.produced(1)
		},
	},
}

var fileRehearsals = []rehearsal{
	{
		runbook: "FILE_STUCK", name: "its name is taken", about: "file 1",
		trouble: func(d *desk) {
			d.order()
			name := d.file(1).Name
			put(d.t, d.at("in", name), []byte("somebody else's"))
			for range 7 {
				d.work()
			}
		},
		way: func(d *desk) {
			d.says(d.as("platen file show N", "N", "1"), "name_taken")
			d.says(d.as("platen file list"), "name_taken")
			if got := d.takes(d.file(1).Name); string(got) != "somebody else's" {
				d.t.Errorf("what had the name was overwritten with %q", got)
			}
			d.produced(1)
		},
	},
	{
		runbook: "FILE_IN_DOUBT", name: "the bureau has it and acknowledges it", about: "file 1", trouble: doubt,
		way: func(d *desk) {
			d.says(d.as("platen file show N", "N", "1"), "in_doubt")
			f := d.file(1)
			d.ack(f, d.taken(), "ACCEPTED")
			d.becomes(1, "RECONCILING")
		},
	},
	{
		runbook: "FILE_IN_DOUBT", name: "the bureau has it and sends no acks", about: "file 1", trouble: doubt,
		way: func(d *desk) {
			d.says(d.as("platen file resolve N --sent --reason WHY", "N", "1", "WHY", "the bureau has it"), "SENT")
			d.status(d.file(1), "all.status", "PRODUCED")
			d.returnNumber("all.status", "APPLIED")
		},
	},
	{
		runbook: "FILE_IN_DOUBT", name: "the bureau has it not: again", about: "file 1", trouble: doubt,
		way: func(d *desk) {
			d.as("platen file resolve N --resend --reason WHY", "N", "1", "WHY", "the bureau wrote that it has it not")
			lost := d.taken()
			d.becomes(1, "SENT")
			if again := read(d.t, d.at("in", d.file(1).Name)); string(again) != string(lost) {
				d.t.Error("other bytes were sent again")
			}
			d.produced(1)
		},
	},
	{
		runbook: "FILE_IN_DOUBT", name: "the bureau has it not: never", about: "file 1", trouble: doubt,
		way: func(d *desk) {
			d.as("platen file resolve N --cancel --reason WHY", "N", "1", "WHY", "the bureau closes down")
			d.platen("run", "--cycle", "nightly")
			d.produced(2)
			d.platen("books")
		},
	},
	{
		runbook: "FILE_REFUSED", name: "the bureau's fault", about: "file 1", trouble: refusal,
		way: func(d *desk) {
			d.says(d.as("platen file list"), "REFUSED")
			d.as("platen file resolve N --resend --reason WHY", "N", "1", "WHY", "the bureau had loaded another key")
			d.produced(1)
		},
	},
	{
		runbook: "FILE_REFUSED", name: "our fault", about: "file 1", trouble: refusal,
		way: func(d *desk) {
			d.as("platen file resolve N --cancel --reason WHY", "N", "1", "WHY", "our layout was wrong")
			d.platen("run", "--cycle", "nightly")
			d.produced(2)
			d.platen("books")
		},
	},
}

// refusal is a bureau that answers with REJECTED, and has taken the file away.
func refusal(d *desk) {
	ordered(d)
	f := d.file(1)
	d.ack(f, d.takes(f.Name), "REJECTED")
	d.becomes(1, "REFUSED")
}
