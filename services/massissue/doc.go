// Package massissue keeps requests for cards in numbers, without names: an institution adds one, changes it and purges it; the next cut-off of the product's bureau turns each version
// into an order of the ordinary intake, once. How many cards that is, the request's inventory control says.
package massissue
