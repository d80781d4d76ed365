package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
)

// resizeMass makes a mass order ask for so many cards in all, in the proportions that it has; its first row takes what rounding leaves, and rows that would
// ask for none are dropped.
func resizeMass(body []byte, cards int64) ([]byte, error) {
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(rows) < 2 {
		return nil, fmt.Errorf("read the sample mass order: %d rows, %w", len(rows), err)
	}
	column := slices.Index(rows[0], "quantity")
	if column < 0 {
		return nil, fmt.Errorf("the sample mass order has no column quantity")
	}
	quantities := make([]int64, len(rows)-1)
	sum, given := int64(0), int64(0)
	for i, row := range rows[1:] {
		if quantities[i], err = strconv.ParseInt(row[column], 10, 64); err != nil {
			return nil, fmt.Errorf("sample mass order, row %d: %w", i+1, err)
		}
		sum += quantities[i]
	}
	kept := rows[:1]
	for i, row := range rows[1:] {
		quantities[i] = quantities[i] * cards / sum
		given += quantities[i]
		row[column] = strconv.FormatInt(quantities[i], 10)
	}
	rows[1][column] = strconv.FormatInt(quantities[0]+cards-given, 10)
	for _, row := range rows[1:] {
		if row[column] != "0" {
			kept = append(kept, row)
		}
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.WriteAll(kept); err != nil {
		return nil, fmt.Errorf("resize the sample mass order: %w", err)
	}
	return out.Bytes(), nil
}
