package formats

// romanisation gives ASCII letters for small letters that are more than a letter with marks. Source: ICAO Doc 9303 part 3, section 6
// (Latin national characters, Cyrillic; where a letter has several forms, the first), and ELOT 743 for Greek.
var romanisation = map[rune]string{
	// Latin
	'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'ø': "oe", 'å': "aa", 'œ': "oe",
	'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ħ': "h", 'ŧ': "t", 'ı': "i", 'ĸ': "q", 'ŋ': "n", 'ĳ': "ij", 'ŉ': "n", 'ſ': "s", 'ə': "e", 'ñ': "n",

	// Greek
	'α': "a", 'β': "v", 'γ': "g", 'δ': "d", 'ε': "e", 'ζ': "z", 'η': "i", 'θ': "th", 'ι': "i", 'κ': "k", 'λ': "l", 'μ': "m",
	'ν': "n", 'ξ': "x", 'ο': "o", 'π': "p", 'ρ': "r", 'σ': "s", 'ς': "s", 'τ': "t", 'υ': "y", 'φ': "f", 'χ': "ch", 'ψ': "ps", 'ω': "o",

	// Cyrillic
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "e", 'ж': "zh", 'з': "z", 'и': "i", 'й': "i", 'і': "i", 'к': "k",
	'л': "l", 'м': "m", 'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f", 'х': "kh", 'ц': "ts", 'ч': "ch",
	'ш': "sh", 'щ': "shch", 'ъ': "ie", 'ы': "y", 'ь': "", 'э': "e", 'ю': "iu", 'я': "ia", 'ґ': "g", 'є': "ie", 'ї': "i", 'ў': "u",
	'ђ': "d", 'ѓ': "g", 'ѕ': "dz", 'ј': "j", 'љ': "lj", 'њ': "nj", 'ќ': "k", 'ћ': "c", 'џ': "dz",

	// Signs that keyboards and word processors put for ASCII ones
	'’': "'", '‘': "'", 'ʼ': "'", '´': "'", 'ʹ': "'", '‐': "-", '‑': "-", '–': "-", '—': "-", '\u00a0': " ", '\u2009': " ", '\u202f': " ",
	'«': `"`, '»': `"`, '“': `"`, '”': `"`, '„': `"`, '…': "...", '№': "No", 'º': "o", 'ª': "a", '°': "o", '·': ".",
}

// greekPairs are letters that are written together (ELOT 743); their marks do not count.
var greekPairs = map[[2]rune]string{
	{'ο', 'υ'}: "ou", {'γ', 'γ'}: "ng", {'γ', 'ξ'}: "nx", {'γ', 'χ'}: "nch",
}
