// Package holders takes in who is to hold prepaid cards, and lets people of the institution audit them. What was handed in does not change any more unless it is rejected; then it
// may be handed in again. A card type that needs a holder opens cards for those only that have passed.
package holders
