package programs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"platen/programs"
)

// sample is a copy in memory of the shipped programs and layouts.
func sample(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, dir := range []string{"programs", "layouts"} {
		err := fs.WalkDir(os.DirFS("../samples"), dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(filepath.Join("../samples", name))
			files[name] = &fstest.MapFile{Data: content}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// edit replaces text that must stand in a file.
func edit(t *testing.T, files fstest.MapFS, name, old, replacement string) {
	t.Helper()
	before, after, found := strings.Cut(string(files[name].Data), old)
	if !found {
		t.Fatalf("%s does not hold %q", name, old)
	}
	files[name] = &fstest.MapFile{Data: []byte(before + replacement + after)}
}

func TestLoadReadsTheSample(t *testing.T) {
	set, err := programs.Load(sample(t), "programs")
	if err != nil {
		t.Fatal(err)
	}
	if set.Institution.Code != "demo-bank" || len(set.Ranges) != 3 || len(set.Products) != 7 || len(set.Bureaus) != 2 || len(set.Schedules) != 2 || len(set.Layouts) < 6 {
		t.Errorf("the sample came out as %+v", set.Institution)
	}
	for _, r := range set.Ranges {
		if r.Code == "visa-debit" && (r.Prefix != "400000" || r.First != 100_000_000 || r.Size != 100_000_000 || r.PermutationKey != "permutation" || r.TokenKey != "token") {
			t.Errorf("range %+v", r)
		}
	}
}

func TestLoadDirFindsLayoutsOutsideOfTheDirectory(t *testing.T) {
	set, err := programs.LoadDir("../samples/programs")
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Layouts) < 6 {
		t.Errorf("%d layouts", len(set.Layouts))
	}
}

func TestLoadDirNamesFilesAsItsCallerDoes(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "programs", "schedules.yaml"), []byte("- cod: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	_, err := programs.LoadDir("programs")
	if want := `programs/schedules.yaml:1: unknown key "cod"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// edits are sample programs with one thing wrong: a text of a file replaced. The fault must name the file, and a line that holds
// at, by default the new text.
var edits = map[string]struct{ file, old, new, at, want string }{
	"unknown key":                {file: "products/prepaid-mag.yaml", old: "service_code:", new: "servce_code:", want: `unknown key "servce_code"`},
	"unknown nested key":         {file: "bureaus/north.yaml", old: "  address:", new: "  addr:", want: `sftp: unknown key "addr"`},
	"doubled key":                {file: "bureaus/north.yaml", old: "max_records: 5_000", new: "max_records: 5_000\nmax_records: 1", at: `max_records: 1`, want: `key "max_records" stands twice`},
	"number for text":            {file: "ranges.yaml", old: `"400000"`, new: `400000`, want: `prefix: must be text: put 400000 in quotes`},
	"text for a number":          {file: "bureaus/north.yaml", old: "pin_format: 4", new: `pin_format: "4"`, want: `pin_format: must be a whole number`},
	"fraction":                   {file: "bureaus/north.yaml", old: "pin_format: 4", new: `pin_format: 4.0`, want: `pin_format: must be a whole number`},
	"yes for true":               {file: "bureaus/north.yaml", old: "remake_at_once: true", new: "remake_at_once: yes", want: `remake_at_once: must be true or false`},
	"no value":                   {file: "bureaus/north.yaml", old: "zpk: zpk-north", new: "zpk:", want: `zpk: must have a value`},
	"text for a list":            {file: "schedules.yaml", old: "bureaus: [north, south]", new: "bureaus: north", want: `bureaus: must be a list`},
	"text for keys":              {file: "bureaus/north.yaml", old: "remake_at_once: true", new: "calendar: daily", at: `calendar: daily`, want: `key "calendar" stands twice`},
	"alias":                      {file: "bureaus/north.yaml", old: "zpk: zpk-north", new: "zpk: &z zpk-north", want: `anchors and aliases are not used`},
	"unknown technology":         {file: "products/prepaid-mag.yaml", old: "MAGSTRIPE", new: "WOOD", want: `technology: unknown technology "WOOD"`},
	"unknown zone":               {file: "institution.yaml", old: "Europe/Paris", new: "Europe/Atlantis", want: `there is no zone "Europe/Atlantis"`},
	"the machine's zone":         {file: "institution.yaml", old: "Europe/Paris", new: "Local", want: `timezone: must name a zone`},
	"pattern without a file":     {file: "institution.yaml", old: "../layouts/*.yaml", new: "../layots/*.yaml", at: `layouts:`, want: `no file matches "../layots/*.yaml"`},
	"code":                       {file: "institution.yaml", old: "demo-bank", new: "Demo Bank", want: `code: must be 1 to 32 of`},
	"twin codes":                 {file: "ranges.yaml", old: "code: mc-credit", new: "code: visa-debit", want: `range "visa-debit" stands also at`},
	"range out of its digits":    {file: "ranges.yaml", old: "first: 500_000_000", new: "first: 999_000_000", at: `code: prepaid`, want: `interval does not fit`},
	"range prefix":               {file: "ranges.yaml", old: `"541333"`, new: `"5413"`, at: `code: mc-credit`, want: `prefix must have 6 to 11 digits`},
	"numbers that are drawn":     {file: "products/prepaid-mag.yaml", old: "range: prepaid", new: "imported_range: visa-debit\nrange: prepaid", want: `numbers of range "visa-debit" are drawn`},
	"no range of own numbers":    {file: "products/prepaid-mag.yaml", old: "range: prepaid", new: "imported_range: nowhere\nrange: prepaid", want: `there is no range "nowhere"`},
	"certificate of own numbers": {file: "institution.yaml", old: "  - code: enfuce\n", new: "  - code: enfuce\n    own_numbers: {key_file: k.pem, certificate: none}\n", at: "dialects:", want: `certificate: must be one PEM block CERTIFICATE`},
	"small range":                {file: "ranges.yaml", old: "size: 2_500_000", new: "size: 2_500", want: `accept_small`},
	"range without keys":         {file: "ranges.yaml", old: "token_key: token\n\n- code: mc", new: "\n- code: mc", at: `code: visa-debit`, want: `token_key: is needed`},
	"key label":                  {file: "ranges.yaml", old: "permutation_key: permutation", new: "permutation_key: Permutation!", want: `permutation_key: "Permutation!": key label`},

	"product's range":           {file: "products/prepaid-mag.yaml", old: "range: prepaid", new: "range: other", want: `there is no range "other"`},
	"product's bureau":          {file: "products/prepaid-mag.yaml", old: "bureau: south", new: "bureau: west", want: `there is no bureau "west"`},
	"product's layout":          {file: "products/prepaid-mag.yaml", old: "layout: south-delimited", new: "layout: other", want: `layout: there is no layout "other"`},
	"layout of another kind":    {file: "products/prepaid-mag.yaml", old: "layout: south-delimited", new: "layout: ack", want: `layout ack is of another kind`},
	"mailer's bureau":           {file: "products/visa-debit-chip.yaml", old: "mailer_bureau: south", new: "mailer_bureau: west", want: `mailer_bureau: there is no bureau "west"`},
	"mailer's layout":           {file: "products/visa-debit-chip.yaml", old: "mailer_layout: pin-mailer", new: "mailer_layout: north-fixed", want: `layout north-fixed is of another kind`},
	"virtual card with a house": {file: "products/visa-virtual.yaml", old: "pin:\n", new: "bureau: north\npin:\n", at: "technology:", want: `a VIRTUAL card has no plastic and no PIN`},
	"virtual card with a PIN":   {file: "products/visa-virtual.yaml", old: "method: NONE", new: "method: RANDOM_PVV\n  length: 4", at: "technology:", want: `a VIRTUAL card has no plastic and no PIN`},
	"dialect that is none":      {file: "institution.yaml", old: "code: offblocks", new: "code: offblock", at: "dialects:", want: `there is none "offblock": must be one of enfuce, finhub, firstvision, offblocks`},
	"dialect twice":             {file: "institution.yaml", old: "code: enfuce", new: "code: offblocks", at: "dialects:", want: `offblocks stands twice`},
	"dialect's kind of card":    {file: "institution.yaml", old: "virtual: visa-virtual", new: "plastic: visa-virtual", at: "dialects:", want: `no kind of card is called "plastic" there`},
	"dialect's product":         {file: "institution.yaml", old: "MC_CARD: mc-credit-chip", new: "MC_CARD: mc-credit", at: "dialects:", want: `there is no product "mc-credit"`},
	"dialect's technology":      {file: "institution.yaml", old: "physical: visa-debit-chip", new: "physical: visa-virtual", at: "dialects:", want: `has another technology than physical cards`},
	"logo of three digits":      {file: "institution.yaml", old: "001/200:", new: "001/20:", at: "dialects:", want: `no kind of card is called "001/20" there`},
	"digital logo":              {file: "institution.yaml", old: "001/100/digital: visa-virtual", new: "001/100/digital: visa-debit-chip", at: "dialects:", want: `has another technology than 001/100/digital cards`},
	"card type that is none":    {file: "institution.yaml", old: `"111004": gift-virtual`, new: `"111004": prepaid-mag`, at: "dialects:", want: `product prepaid-mag is no card type`},
	"card type without number":  {file: "institution.yaml", old: `"111004": gift-virtual`, new: `gift: gift-virtual`, at: "dialects:", want: `no kind of card is called "gift" there`},
	"upstream of another":       {file: "institution.yaml", old: "code: enfuce\n", new: "code: enfuce\n    upstream: {url: \"https://up.example\"}\n", at: "dialects:", want: `enfuce: upstream: requests are carried out here`},
	"upstream without keys":     {file: "institution.yaml", old: "code: finhub\n", new: "code: finhub\n    upstream: {url: \"https://up.example\"}\n", at: "dialects:", want: `upstream: client and key_file are needed`},
	"upstream's public key":     {file: "institution.yaml", old: "code: finhub\n", new: "code: finhub\n    upstream: {url: \"https://up.example\", client: a, key_file: k, public_key: x}\n", at: "dialects:", want: `public_key: must be one PEM block`},
	"upstream's address":        {file: "institution.yaml", old: "code: finhub\n", new: "code: finhub\n    upstream: {url: \"ftp://up.example\", client: a, key_file: k}\n", at: "dialects:", want: `url: must be an address of HTTP`},
	"gift without a page":       {file: "products/gift-virtual.yaml", old: "  redeem: https://gifts.example.com/redeem/\n", new: "", at: "prepaid:", want: `a gift card has the https address`},
	"page without a gift":       {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "redeem: https://gifts.example.com/", at: "redeem:", want: `a gift card has the https address`},
	"dialect without products":  {file: "institution.yaml", old: "    products:\n      virtual: visa-virtual\n      physical: visa-debit-chip\n", new: "", at: "dialects:", want: `offblocks: products: is missing`},
	"sandbox":                   {file: "institution.yaml", old: "sandbox: true", new: "sandbox: yes", at: "sandbox", want: `sandbox: must be true or false`},
	"card type without mode":    {file: "products/visa-virtual.yaml", old: "  mode: PREPAID_CARD\n", new: "", at: "prepaid:", want: `mode: is missing`},
	"card type's category":      {file: "products/visa-virtual.yaml", old: "category: PURCHASE", new: "category: PHYSICAL", want: `a card with plastic is PHYSICAL, and no other is`},
	"gift that shares a pool":   {file: "products/visa-virtual.yaml", old: "mode: PREPAID_CARD\n  category: PURCHASE", new: "mode: BUDGET_CARD\n  category: GIFT", at: "category:", want: `a card that shares a pool is PURCHASE`},
	"price below nothing":       {file: "products/visa-virtual.yaml", old: `price: "1.00"`, new: `price: "-1.00"`, want: `price: an amount is digits`},
	"price over precision":      {file: "products/visa-virtual.yaml", old: `price: "1.00"`, new: `price: "1.001"`, want: `no more decimals than its currency`},
	"bounds the wrong way":      {file: "products/visa-virtual.yaml", old: `deposit: {min: "5.00"`, new: `deposit: {min: "5000.00"`, want: `deposit: min is above max`},
	"fee of everything":         {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "fee_rate: 10000", want: `fee_rate: must be 0 to 9999`},
	"regions without holders":   {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "regions: [FR]", at: "prepaid:", want: `need a holder`},
	"region that is none":       {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "holder: B2B\n  regions: [XX]", at: "regions:", want: `"XX" is no country`},
	"feature that is none":      {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "refuses: [DEPOSIT, LEND]", want: `refuses: must be one of DEPOSIT, WITHDRAW, FREEZE`},
	"unknown holder model":      {file: "products/visa-virtual.yaml", old: "fee_rate: 50", new: "holder: C2C", want: `holder: unknown holder model "C2C"`},
	"card and PIN at one house": {file: "products/visa-debit-chip.yaml", old: "mailer_bureau: south", new: "mailer_bureau: north", want: `may not be told its PIN`},
	"mailer without mailing":    {file: "products/prepaid-mag.yaml", old: "layout: south-delimited", new: "layout: south-delimited\nmailer_bureau: north", at: `mailer_bureau: north`, want: `the product mails no PINs`},
	"chip with stripe code":     {file: "products/visa-debit-chip.yaml", old: `"201"`, new: `"101"`, want: `a card with a chip needs 2xx or 6xx`},
	"stripe with chip code":     {file: "products/prepaid-mag.yaml", old: `"121"`, new: `"221"`, want: `a card with only a stripe needs 1xx or 5xx`},
	"service code":              {file: "products/prepaid-mag.yaml", old: `"121"`, new: `"12"`, want: `service code must be three digits`},
	"scheme":                    {file: "products/prepaid-mag.yaml", old: `scheme: visa`, new: `scheme: visacard`, want: `scheme: must be one of visa`},
	"validity":                  {file: "products/prepaid-mag.yaml", old: `validity_months: 24`, new: `validity_months: 0`, want: `validity_months: must be 1 to 120`},
	"currency":                  {file: "products/prepaid-mag.yaml", old: `"978"`, new: `EUR`, want: `currency: must be three digits`},
	"name limit":                {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: `name_limit: 27`, want: `name_limit: must be 2 to 26`},
	"letters":                   {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  letters: klingon", at: `letters: klingon`, want: `letters: must be one of german, icao`},
	"letters to emboss":         {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  emboss: greek", at: `emboss: greek`, want: `emboss: must be one of ascii, capitals`},
	"letters to print":          {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  print: runes", at: `print: runes`, want: `print: must be one of ascii`},
	"place of a printed name":   {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  print: greek", at: `print: greek`, want: `layout south-delimited has no place for card.print_name`},
	"room without print":        {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  print_limit: 20", at: `print_limit: 20`, want: `print_limit: belongs to a printed name`},
	"fitting rule":              {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  fit: [CUT]", at: `fit: [CUT]`, want: `fit: must be one of DROP_TITLE`},
	"fitting rule twice":        {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  fit: [INITIALS, INITIALS]", at: `fit: [I`, want: `fit: INITIALS stands twice`},
	"title to drop":             {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  fit: [DROP_TITLE]", at: `fit: [D`, want: `fit: DROP_TITLE needs title: true`},
	"second line":               {file: "products/prepaid-mag.yaml", old: `name_limit: 26`, new: "name_limit: 26\nnames:\n  fit: [TWO_LINES]", at: `fit: [T`, want: `fit: layout south-delimited has no place for card.name2`},
	"name of holders":           {file: "products/prepaid-mag.yaml", old: "anonymous: true\n", new: "", at: `anonymous_name:`, want: `the product's cards have holders`},
	"anonymous name":            {file: "products/prepaid-mag.yaml", old: `GIFT CARD`, new: `Gift card`, want: `may hold capitals`},
	"expiry order":              {file: "products/prepaid-mag.yaml", old: `cvv2_order: YYMM`, new: `cvv2_order: YMYM`, want: `cvv2_order: must be one of MMYY, YYMM`},
	"CVK":                       {file: "products/prepaid-mag.yaml", old: `  cvk: cvk-visa`, new: ``, at: `keys:`, want: `cvk: is needed`},
	"PVK":                       {file: "products/visa-debit-chip.yaml", old: `  pvk: pvk-visa`, new: ``, at: `keys:`, want: `pvk: is needed to verify PINs`},
	"unknown piece":             {file: "products/prepaid-mag.yaml", old: `"zeros:2"`, new: `"zeroes:2"`, want: `piece "zeroes:2": is not one of`},
	"piece twice":               {file: "products/prepaid-mag.yaml", old: `[offset, cvv, "zeros:2"]`, new: `[offset, cvv, cvv]`, want: `track2: must hold cvv, once`},
	"piece of another PIN":      {file: "products/prepaid-mag.yaml", old: `[offset, cvv, "zeros:2"]`, new: `[pvv, cvv]`, want: `only a product with PIN method RANDOM_PVV has it`},
	"track too long":            {file: "products/prepaid-mag.yaml", old: `"zeros:2"`, new: `"zeros:20"`, want: `27 characters of discretionary data`},
	"PIN length":                {file: "products/prepaid-mag.yaml", old: "  length: 4", new: "  length: 3", want: `length: must be 4 to 12`},
	"PVKI":                      {file: "products/visa-debit-chip.yaml", old: "  pvki: 1", new: "  pvki: 7", want: `pvki: must be 0 to 6`},
	"no PIN but a length":       {file: "products/prepaid-mag.yaml", old: "method: IBM3624", new: "method: NONE", at: `pin:`, want: `has a method and nothing else`},
	"decimalisation table":      {file: "products/prepaid-mag.yaml", old: `"0123456789012345"`, new: `"0000000000012345"`, want: `at least 8 different`},
	"validation template":       {file: "products/prepaid-mag.yaml", old: `"1357924N6800"`, new: `"135792406800"`, want: `with one N`},
	"reason of no letter":       {file: "institution.yaml", old: "{code: D,", new: "{code: d,", at: `action_reasons:`, want: `"d" is no capital letter`},
	"letter of two reasons":     {file: "institution.yaml", old: "{code: N,", new: "{code: D,", at: `action_reasons:`, want: `D stands twice`},
	"reason of no action":       {file: "institution.yaml", old: "NAME_CHANGE", new: "REMAKE", at: `action_reasons:`, want: `no card action is for REMAKE`},
	"action held back too long": {file: "products/mc-credit-chip.yaml", old: "    mailer: false\n", new: "    mailer: false\n    card_delay: 31\n", at: `card_delay: 31`, want: `card_delay:`},
	"action of a half row":      {file: "products/mc-credit-chip.yaml", old: "    mailer: false\n", new: "", at: `LOST:`, want: `LOST: mailer is missing`},
	"action of a remake":        {file: "products/mc-credit-chip.yaml", old: "  LOST:", new: "  REMAKE:", want: `REMAKE cannot be changed`},
	"action that loses the PIN": {file: "products/mc-credit-chip.yaml", old: "    pin: TRANSFER", new: "    pin: KEEP", at: `LOST:`, want: `a PIN is bound to its number`},
	"unknown reason":            {file: "products/mc-credit-chip.yaml", old: "  LOST:", new: "  MISLAID:", want: `unknown reason "MISLAID"`},

	"PIN format":             {file: "bureaus/north.yaml", old: "pin_format: 4", new: "pin_format: 3", want: `pin_format: must be 0 or 4`},
	"no address":             {file: "bureaus/north.yaml", old: "127.0.0.1:2222", new: "127.0.0.1", want: `address: must be HOST:PORT`},
	"no host key":            {file: "bureaus/north.yaml", old: "  host_keys_file: keys/north-host.pub\n", new: "", at: `sftp:`, want: `host_keys: a bureau without a pinned host key`},
	"malformed host key":     {file: "bureaus/north.yaml", old: "host_keys_file: keys/north-host.pub", new: "host_keys: [any]", at: `host_keys:`, want: `in the form of authorized_keys`},
	"no login":               {file: "bureaus/north.yaml", old: "  identity_file: keys/north-sftp\n", new: "", at: `sftp:`, want: `identity_file: give a private key`},
	"climbing path":          {file: "bureaus/north.yaml", old: "  in: in", new: "  in: ../in", want: `in: must be a plain path`},
	"one path for two":       {file: "bureaus/north.yaml", old: "  out: out", new: "  out: in", want: `out: must differ from in`},
	"no rename, no marker":   {file: "bureaus/north.yaml", old: "  in: in", new: "  in: in\n  rename: NONE", at: `sftp:`, want: `rename: NONE needs a marker`},
	"marker with a path":     {file: "bureaus/north.yaml", old: "  in: in", new: "  in: in\n  marker: ../ok", at: `marker:`, want: `marker: is a dot and letters`},
	"marker that is a temp":  {file: "bureaus/north.yaml", old: "  in: in", new: "  in: in\n  temp_suffix: .ok\n  marker: .ok", at: `marker:`, want: `temp_suffix: is the marker's, too`},
	"content and no rename":  {file: "bureaus/north.yaml", old: "  in: in", new: "  in: in\n  rename: NONE\n  marker: .ok\n  marker_content: x", at: `marker_content:`, want: `with rename: NONE a marker is empty`},
	"content that runs":      {file: "bureaus/north.yaml", old: "  in: in", new: "  in: in\n  marker: .ok\n  marker_content: '{pan}'", at: `marker:`, want: `content: is printable ASCII`},
	"no PGP key":             {file: "bureaus/north.yaml", old: "  recipient_file: keys/north-pgp.pub.asc\n", new: "", at: `pgp:`, want: `say plaintext: true`},
	"unsigned":               {file: "bureaus/north.yaml", old: "  signer_file: keys/platen-pgp.asc\n", new: "", at: `pgp:`, want: `files are signed`},
	"plaintext beside a key": {file: "bureaus/north.yaml", old: "  signer_file: keys/platen-pgp.asc", new: "  plaintext: true", want: `plaintext: true contradicts`},
	"split limit":            {file: "bureaus/north.yaml", old: "max_records: 5_000", new: "max_records: 0", want: `max_records: must be 1 to 9999999`},
	"zero file":              {file: "bureaus/north.yaml", old: "zero_file: SEND", new: "zero_file: DROP", want: `zero_file: must be one of SEND, VOID`},
	"weekday":                {file: "bureaus/north.yaml", old: "weekdays: [mon,", new: "weekdays: [monday,", want: `weekdays: must be different ones of`},
	"holiday":                {file: "bureaus/north.yaml", old: `"2026-12-25"`, new: `"2026-13-25"`, want: `"2026-13-25" must be a date`},
	"return's layout":        {file: "bureaus/north.yaml", old: `layout: ack`, new: `layout: north-fixed`, at: `returns:`, want: `north-fixed does not read return files`},
	"return's pattern":       {file: "bureaus/north.yaml", old: `"*.ack"`, new: `"[.ack"`, at: `returns:`, want: `is not a pattern`},
	"bureau's word":          {file: "bureaus/north.yaml", old: `  SPOILED: SPOILED`, new: `  SPOILED: CANCELLED`, want: `SPOILED: must be one of ACCEPTED`},

	"schedule's bureau": {file: "schedules.yaml", old: `[north, south]`, new: `[north, west]`, want: `there is no bureau "west"`},
	"cron":              {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"30 20 * *"`, want: `cron: must be five cron fields`},
	"cron zone":         {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"CRON_TZ=UTC"`, want: `zones and @-words are not taken`},
	"cron word":         {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"@daily"`, want: `zones and @-words are not taken`},
	"cron of no day":    {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"0 0 31 2 *"`, want: `names a day that never comes`},
	"night":             {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"30 2 * * *"`, want: `say dst_confirmed: true`},
	"twice a day":       {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"30 12,20 * * *"`, want: `declare a second schedule`},
	"every hour":        {file: "schedules.yaml", old: `"30 20 * * mon-fri"`, new: `"0 * * * *"`, want: `say dst_confirmed: true`},
}

func TestLoadRefusesWithFileAndLine(t *testing.T) {
	for name, c := range edits {
		t.Run(name, func(t *testing.T) {
			files := sample(t)
			edit(t, files, "programs/"+c.file, c.old, c.new)
			at, _, _ := strings.Cut(c.new, "\n")
			if c.at != "" {
				at = c.at
			}
			expectFault(t, files, "programs/"+c.file, at, c.want)
		})
	}
}

// expectFault loads programs and looks for a fault with a reason at a line of a file that holds some text.
func expectFault(t *testing.T, files fstest.MapFS, file, at, reason string) {
	t.Helper()
	_, err := programs.Load(files, "programs")
	if err == nil {
		t.Fatal("it was taken")
	}
	lines := strings.Split(string(files[file].Data), "\n")
	for _, told := range strings.Split(err.Error(), "\n") {
		var line int
		place, rest, _ := strings.Cut(told, ": ")
		if _, err := fmt.Sscanf(place, file+":%d", &line); err == nil && strings.Contains(rest, reason) && strings.Contains(lines[line-1], at) {
			return
		}
	}
	t.Errorf("no fault %q at %q in:\n%v", reason, at, err)
}

func TestLoadRefusesOverlappingRanges(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/ranges.yaml", `"401288"`, `"400000"`)
	edit(t, files, "programs/ranges.yaml", "first: 500_000_000", "first: 199_999_999")
	expectFault(t, files, "programs/ranges.yaml", "code: prepaid", "range prepaid overlaps range visa-debit (programs/ranges.yaml:3)")
}

func TestLoadTakesASmallRangeThatTheOperatorNames(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/ranges.yaml", "size: 2_500_000", "size: 2_500\n  accept_small: true")
	if _, err := programs.Load(files, "programs"); err != nil {
		t.Error(err)
	}
}

func TestLoadRefusesPINBlocksForABureauWithoutAKey(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/bureaus/north.yaml", "zpk: zpk-north\n", "")
	expectFault(t, files, "programs/products/visa-debit-chip.yaml", "in_card_file", "bureau north has no zpk")
	files = sample(t)
	edit(t, files, "programs/bureaus/south.yaml", "zpk: zpk-south\n", "")
	expectFault(t, files, "programs/products/visa-debit-chip.yaml", "mailer_bureau", "bureau south has no zpk")
}

func TestLoadRefusesTwoNamesForOneHouse(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/bureaus/south.yaml", "127.0.0.1:2223", "127.0.0.1:2222")
	expectFault(t, files, "programs/products/mc-credit-chip.yaml", "mailer_bureau", "may not be told its PIN")
}

func TestLoadReadsZonesAndKeepsThemApartFromBureaus(t *testing.T) {
	good := "- code: pos\n  key: zpk-pos\n  pin_format: 4\n"
	files := sample(t)
	files["programs/zones.yaml"] = &fstest.MapFile{Data: []byte(good)}
	set, err := programs.Load(files, "programs")
	if err != nil || len(set.Zones) != 1 || set.Zones[0] != (programs.Zone{Code: "pos", Key: "zpk-pos", PINFormat: 4}) {
		t.Fatalf("%+v, %v", set, err)
	}
	if diff := programs.Diff(&programs.Set{}, set); !slices.Contains(diff, "+ zone pos") {
		t.Errorf("the difference is %q", diff)
	}
	for text, want := range map[string][2]string{
		strings.Replace(good, "zpk-pos", "zpk-north", 1):           {"key:", "zpk-north is bureau north's"},
		strings.Replace(good, "pin_format: 4", "pin_format: 2", 1): {"pin_format", "must be 0, 1, 3 or 4"},
		strings.Replace(good, "  key: zpk-pos\n", "", 1):           {"code", "key: a zone has a key"},
		good + "  fill: F\n":                          {"fill", "of a zone with a data_key"},
		good + "  data_key: zek-pos\n  fill: \"0\"\n": {"fill", "must be a letter A to F"},
		good + "  data_key: zek-north\n":              {"data_key", "zek-north is layout dgi-secret's"},
		good + "  data_key: a key\n":                  {"data_key", "data_key"},
		good + good:                                   {"code: pos", "stands also at"},
	} {
		files["programs/zones.yaml"] = &fstest.MapFile{Data: []byte(text)}
		expectFault(t, files, "programs/zones.yaml", want[0], want[1])
	}
}

func TestLoadTakesAConfirmedNight(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/schedules.yaml", `"30 20 * * mon-fri"`, "\"30 2 * * *\"\n  dst_confirmed: true")
	if _, err := programs.Load(files, "programs"); err != nil {
		t.Error(err)
	}
}

func TestLoadTellsEverythingThatIsWrongAtOnce(t *testing.T) {
	files := sample(t)
	edit(t, files, "programs/bureaus/north.yaml", "pin_format: 4", "pin_format: 3")
	edit(t, files, "programs/schedules.yaml", `[north, south]`, `[north, west]`)
	expectFault(t, files, "programs/bureaus/north.yaml", "pin_format", "must be 0 or 4")
	expectFault(t, files, "programs/schedules.yaml", "bureaus", "there is no bureau")
}

func TestLoadRefusesFilesThatNothingReads(t *testing.T) {
	for _, stranger := range []string{"programs/shedules.yaml", "programs/ranges.yml", "programs/products/x.yml"} {
		files := sample(t)
		files[stranger] = &fstest.MapFile{Data: []byte("[]")}
		if _, err := programs.Load(files, "programs"); err == nil || !strings.Contains(err.Error(), stranger+": is not a file of programs") {
			t.Errorf("%s: %v", stranger, err)
		}
	}
}

func TestLoadRefusesWholeFiles(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":         {"", "is empty"},
		"comment":       {"# nothing\n", "is empty"},
		"broken":        {"a: [\n", "line"},
		"two documents": {"[]\n---\n[]\n", "more than one document"},
		"no list":       {"a: b\n", "must be a list"},
		"large":         {strings.Repeat("#", 1<<20+1), "is larger"},
	} {
		files := sample(t)
		files["programs/schedules.yaml"] = &fstest.MapFile{Data: []byte(c.content)}
		if _, err := programs.Load(files, "programs"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadNamesAMissingInstitution(t *testing.T) {
	files := sample(t)
	delete(files, "programs/institution.yaml")
	if _, err := programs.Load(files, "programs"); err == nil || !strings.Contains(err.Error(), "programs/institution.yaml: is missing") {
		t.Error(err)
	}
	if _, err := programs.Load(files, "elsewhere"); err == nil || !strings.Contains(err.Error(), "elsewhere: no such directory") {
		t.Error(err)
	}
}

// Whatever stands in a file of programs, Load answers with a set or with faults.
func FuzzLoad(f *testing.F) {
	f.Add("schedules.yaml", []byte("- code: x\n  cron: \"TZ=\"\n"))
	f.Add("products/x.yaml", []byte("actions: {LOST: {}}\n"))
	f.Add("bureaus/x.yaml", []byte("? [a]\n: b\n"))
	f.Add("ranges.yaml", []byte("- &a [*a]\n"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		files := sample(t)
		files["programs/"+name] = &fstest.MapFile{Data: content}
		set, err := programs.Load(files, "programs")
		if (set == nil) == (err == nil) {
			t.Errorf("%v and %v", set, err)
		}
	})
}

func TestLoadRefusesALayoutThatGivesTwoFilesOneName(t *testing.T) {
	for name, want := range map[string]string{"orders.csv": `layout south-delimited gives two files one name`, "{file.date}_{file.time}.csv": `layout south-delimited gives two files one name`} {
		files := sample(t)
		edit(t, files, "layouts/south-delimited.yaml", "{file.issuer}_{file.bureau}_cards_{file.date}_{file.sequence|n(6)}_{file.reference}.csv", name)
		expectFault(t, files, "programs/products/prepaid-mag.yaml", "layout: south-delimited", want)
	}
}

func TestLoadRefusesALayoutWithAPlaceThatNothingFills(t *testing.T) {
	for field, taken := range map[string]bool{
		`{value: chip.data, open: "{", prefix: 7, optional: true}`: true,
		`{value: chip.data, open: "{", prefix: 7}`:                 false,
	} {
		files := sample(t)
		edit(t, files, "layouts/datacard-style.yaml", `{value: chip.data, open: "{", prefix: 7, optional: true}`, field)
		edit(t, files, "programs/products/visa-debit-chip.yaml", "layout: north-fixed", "layout: datacard-style")
		if !taken {
			expectFault(t, files, "programs/products/visa-debit-chip.yaml", "layout: datacard-style", "layout datacard-style has a place for [chip.data], which nothing fills")
		} else if _, err := programs.Load(files, "programs"); err != nil && strings.Contains(err.Error(), "nothing fills") {
			t.Error(err)
		}
	}
}
