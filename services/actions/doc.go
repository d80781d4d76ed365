// Package actions carries out card actions by their codes: what an institution asks for an existing card, 0 to 9 as card systems number them, with the rules about how many plastics are
// asked for, given back and outstanding. Most become orders of the ordinary intake; the next cycle makes what they ask for.
package actions
