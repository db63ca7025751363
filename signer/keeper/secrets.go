package keeper

import (
	"fmt"
	"os"
	"path/filepath"
)

// secrets are the files of a vault that are their owner's alone, also where an admin group is let in: the keys that speak to clients in the
// signer's name, and sign its log.
var secrets = []string{"log.key", "inner.pem"}

// checkSecrets refuses a vault whose secrets others can read or write: whoever copied them is the signer, too, and nobody would find out.
func checkSecrets(dir string) error {
	for _, name := range secrets {
		path := filepath.Join(dir, name)
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		if mode := st.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Errorf("%s is open to others than its owner (mode %04o), who could take its key: chmod 600 %s", path, mode, path)
		}
	}
	return nil
}
