package command

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/decision"
)

func decisionKey(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "key FILE", Short: "Make a key pair that signs decisions where there is no KMS", Args: exactly(1),
		Long: `Make a new ECDSA P-256 key: the private half in FILE, which only you may use (mode
0600), and the public half in FILE.pub, to hand to everyone who checks. A key that
is there is never written over.

The functions sign and check with it when SLUICE_KEY_ID is file:FILE instead of a
KMS key's ARN; sluice decision sign does with --key FILE. Who has the private key
can sign what ships: a KMS key that never leaves AWS is safer, use that there.`,
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			key, err := decision.NewLocalKey()
			if err != nil {
				return err
			}
			if err := key.Write(path); err != nil {
				return err
			}
			view := map[string]string{"private": path, "public": path + ".pub", "fingerprint": key.Fingerprint()}
			return s.print(c, view, func(w io.Writer) {
				fmt.Fprintf(w, "private key\t%s\tonly you may read it; keep a copy where nobody else can\n", path)
				fmt.Fprintf(w, "public key\t%s.pub\tcheck with: sluice decision verify FOLDER --public-key %s.pub\n", path, path)
				fmt.Fprintf(w, "fingerprint\t%s\t\n", key.Fingerprint())
			})
		},
	}
}
