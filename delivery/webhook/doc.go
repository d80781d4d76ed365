// Package webhook carries one message to a subscriber's server over HTTPS, signed as the Standard Webhooks specification 1.0.0 says, and nowhere else: the address
// that a name stands for is checked when the connection is made, redirects are not followed, and no proxy is asked.
package webhook
