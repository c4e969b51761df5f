package assembly

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// AccountID is the account of everything in the local stack.
const AccountID = "000000000000"

func pseudoParameters(t *Template) map[string]any {
	return map[string]any{
		"AWS::AccountId":        AccountID,
		"AWS::Region":           t.Region,
		"AWS::Partition":        "aws",
		"AWS::URLSuffix":        "amazonaws.com",
		"AWS::StackName":        t.Name,
		"AWS::StackId":          t.StackID(),
		"AWS::NotificationARNs": []any{},
	}
}

// StackID is the stack's ARN, the same each time the stack is brought up.
func (t *Template) StackID() string {
	sum := sha256.Sum256([]byte(t.Name))
	h := hex.EncodeToString(sum[:16])
	uuid := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	return "arn:aws:cloudformation:" + t.Region + ":" + AccountID + ":stack/" + t.Name + "/" + uuid
}

// PhysicalName is the name of a resource that the template leaves unnamed:
// stack, logical id and a hash of both, at most limit characters, the same each
// time the stack is brought up.
func PhysicalName(stack, logicalID string, limit int) string {
	sum := sha256.Sum256([]byte(stack + "\x00" + logicalID))
	tail := "-" + strings.ToUpper(hex.EncodeToString(sum[:6]))
	head := stack + "-" + logicalID
	if keep := max(limit-len(tail), 0); len(head) > keep {
		head = head[:keep]
	}
	return head + tail
}
