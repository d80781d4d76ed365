package massissue

// VPL5 are the numbers that FirstVision's mass card issue service (VPL5SMC) has for what is wrong with a request, by the codes of faults and problems here. What is not here has no
// number there.
var VPL5 = map[string]string{
	"unknown_product":          "VPL5SMC02S",
	"no_plastic":               "VPL5SMC03S",
	"reference_reused":         "VPL5SMC04S",
	"not_found":                "VPL5SMC05S",
	"bad_status":               "VPL5SMC07E",
	"bad_block_code":           "VPL5SMC15E",
	"bad_scheme":               "VPL5SMC20E",
	"unknown_customer":         "VPL5SMC28E",
	"expiry_past":              "VPL5SMC29E",
	"bad_expiry":               "VPL5SMC30E",
	"bad_inventory_control":    "VPL5SMC32E",
	"bad_prepaid_plan":         "VPL5SMC33E",
	"prepaid_plan_not_allowed": "VPL5SMC34E",
	"other_service_code":       "VPL5SMC41E",
	"bad_technology":           "VPL5SMC42E",
	"bad_service_code":         "VPL5SMC43E",
	"quantity_over_account":    "VPL5SMC54E",
	"quantity_zero":            "VPL5SMC55E",
	"scheme_needs_one_card":    "VPL5SMC57E",
	"unknown_account":          "VPL5SMC61E",
	"bad_request_id":           "VPL5SMC63E",
}
