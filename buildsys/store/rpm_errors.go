package store

import "errors"

// ErrExists is what inserting returns when the row is there already.
var ErrExists = errors.New("already exists")
