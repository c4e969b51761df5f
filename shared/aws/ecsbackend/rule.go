package ecsbackend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Tags of the rule.
const (
	askedTag  = "sluice:asked"  // "blue 99.5 green 0.5": the percentages that its weights stand for
	beforeTag = "sluice:before" // "2026-03-01T12:00:00Z blue 100 green 0": when they were asked for, and what was in force
)

// rule is the listener rule as it was read.
type rule struct {
	arn     string
	actions []types.Action
	groups  map[string]int32 // weights by target group ARN
	sticky  bool
	tags    map[string]string
}

func (b *Backend) readRule(ctx context.Context, op string, place Model) (rule, error) {
	out, err := b.rules.DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{RuleArns: []string{place.Rule}})
	if err != nil {
		return rule{}, classify(op, err)
	}
	if len(out.Rules) != 1 {
		return rule{}, fault.New(fault.Unavailable, op, "%d rules have the ARN %s", len(out.Rules), place.Rule)
	}
	r := rule{arn: place.Rule, actions: out.Rules[0].Actions, groups: map[string]int32{}, tags: map[string]string{}}
	for _, a := range r.actions {
		r.add(a)
	}
	for group := range r.groups {
		if group != place.Groups[slots[0]] && group != place.Groups[slots[1]] {
			return r, fault.New(fault.Invalid, op, "rule %s forwards to %s, which is none of the two slots' groups", place.Rule, group).
				WithHint("somebody else changed the rule; take that group out of it")
		}
	}
	tags, err := b.rules.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: []string{place.Rule}})
	if err != nil {
		return r, classify(op, err)
	}
	for _, d := range tags.TagDescriptions {
		for _, t := range d.Tags {
			r.tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return r, nil
}

// add takes an action's groups. The short form of a single group has a weight too.
func (r *rule) add(a types.Action) {
	if a.Type != types.ActionTypeEnumForward {
		return
	}
	if a.ForwardConfig == nil {
		r.groups[aws.ToString(a.TargetGroupArn)] = 1
		return
	}
	for _, g := range a.ForwardConfig.TargetGroups {
		weight := int32(1)
		if g.Weight != nil {
			weight = *g.Weight
		}
		r.groups[aws.ToString(g.TargetGroupArn)] = weight
	}
	if s := a.ForwardConfig.TargetGroupStickinessConfig; s != nil && aws.ToBool(s.Enabled) {
		r.sticky = true
	}
}

func (r rule) weight(group string) (weight int32, attached bool) {
	weight, attached = r.groups[group]
	return weight, attached
}

// checkSticky refuses what would let clients stay with a slot at weight 0.
func (r rule) checkSticky(op string) error {
	if !r.sticky {
		return nil
	}
	return fault.New(fault.Invalid, op, "rule %s has group stickiness: its cookie would keep clients with a version after its weight went to 0", r.arn).
		WithHint("turn it off: aws elbv2 modify-rule with TargetGroupStickinessConfig={Enabled=false}; stickiness to one task is an attribute of the target groups, and needs it too")
}

// weights are the shares in percent that were asked for, and those in force.
func (s state) weights() (desired, inForce map[string]float64) {
	desired = map[string]float64{}
	sum := 0.0
	for _, one := range s.slots {
		sum += float64(one.weight)
	}
	for _, one := range s.used() {
		if sum > 0 {
			desired[one.name] = float64(one.weight) / sum * 100
		}
	}
	if asked := shares(strings.Fields(s.rule.tags[askedTag])); s.stands(asked) {
		desired = asked
	}
	at, text, _ := strings.Cut(s.rule.tags[beforeTag], " ")
	if since, err := time.Parse(time.RFC3339Nano, at); err == nil && s.now.Sub(since) < s.limits.Propagation {
		return desired, shares(strings.Fields(text))
	}
	return desired, desired
}

// stands says that the rule's weights are those of the percentages.
func (s state) stands(asked map[string]float64) bool {
	if len(asked) != len(s.rule.groups) {
		return false
	}
	weights, err := integers(asked)
	if err != nil {
		return false
	}
	for slot, weight := range weights {
		if have, ok := s.rule.weight(s.place.Groups[slot]); !ok || have != weight {
			return false
		}
	}
	return len(asked) > 0
}

// shares reads "blue 99.5 green 0.5"; nothing of what is no such text.
func shares(words []string) map[string]float64 {
	out := map[string]float64{}
	for i := 0; i+1 < len(words); i += 2 {
		value, err := strconv.ParseFloat(words[i+1], 64)
		if err != nil || !slices.Contains(slots[:], words[i]) {
			return nil
		}
		out[words[i]] = value
	}
	return out
}

func text(shares map[string]float64) string {
	var words []string
	for _, slot := range slices.Sorted(maps.Keys(shares)) {
		words = append(words, slot, strconv.FormatFloat(shares[slot], 'f', -1, 64))
	}
	return strings.Join(words, " ")
}

// route makes the rule forward by these percentages, or to nobody when there are
// none. The tags come first: were the rule first, a crash between the two would
// take new weights for being in force at once.
func (b *Backend) route(ctx context.Context, op string, now state, percent map[string]float64) error {
	if err := now.rule.checkSticky(op); err != nil {
		return err
	}
	action := types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: aws.String("503"),
		ContentType: aws.String("application/json"), MessageBody: aws.String(`{"error":"no version of this model is released"}`)}}
	if len(percent) > 0 {
		weights, err := integers(percent)
		if err != nil {
			return fault.Wrap(fault.Invalid, op, err)
		}
		if now.stands(percent) {
			return b.remember(ctx, op, now, askedTag, text(percent))
		}
		action = forward(now.place, weights)
	}
	before, _ := now.weights() // of a change that is not in force everywhere, what it asked for
	_, err := b.rules.AddTags(ctx, &elasticloadbalancingv2.AddTagsInput{ResourceArns: []string{now.rule.arn}, Tags: []types.Tag{
		{Key: aws.String(askedTag), Value: aws.String(text(percent))},
		{Key: aws.String(beforeTag), Value: aws.String(strings.TrimSpace(b.settings.Now().UTC().Format(time.RFC3339Nano) + " " + text(before)))}}})
	if err != nil {
		return classify(op, err)
	}
	_, err = b.rules.ModifyRule(ctx, &elasticloadbalancingv2.ModifyRuleInput{RuleArn: &now.rule.arn, Actions: now.rule.replace(action)})
	return classify(op, err)
}

// remember sets one tag of the rule, unless it says so already.
func (b *Backend) remember(ctx context.Context, op string, now state, tag, value string) error {
	if now.rule.tags[tag] == value {
		return nil
	}
	_, err := b.rules.AddTags(ctx, &elasticloadbalancingv2.AddTagsInput{ResourceArns: []string{now.rule.arn},
		Tags: []types.Tag{{Key: &tag, Value: &value}}})
	return classify(op, err)
}

func forward(place Model, weights map[string]int32) types.Action {
	config := &types.ForwardActionConfig{TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: aws.Bool(false)}}
	for _, slot := range slots {
		if weight, ok := weights[slot]; ok {
			config.TargetGroups = append(config.TargetGroups, types.TargetGroupTuple{TargetGroupArn: aws.String(place.Groups[slot]), Weight: &weight})
		}
	}
	return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: config}
}

// replace gives all the actions with the one that answers replaced: ModifyRule
// drops what it is not given, and an authentication before it must stay.
func (r rule) replace(with types.Action) []types.Action {
	out := slices.Clone(r.actions)
	for i, a := range out {
		switch a.Type {
		case types.ActionTypeEnumForward, types.ActionTypeEnumFixedResponse, types.ActionTypeEnumRedirect:
			with.Order = a.Order
			out[i] = with
			return out
		}
	}
	return append(out, with)
}

// largest is a target group's greatest weight.
const largest = 999

// integers gives the weights whose shares are nearest to the percentages: of one
// slot, or of two. The error says what cannot be.
func integers(percent map[string]float64) (map[string]int32, error) {
	sum, least, most := 0.0, "", ""
	for slot, p := range percent {
		if !(p >= 0 && p <= 100) {
			return nil, fmt.Errorf("slot %s is to have %v %%: want 0 to 100", slot, p)
		}
		sum += p
		if least == "" || p < percent[least] || p == percent[least] && slot < least {
			least = slot
		}
		if most == "" || p > percent[most] || p == percent[most] && slot > most {
			most = slot
		}
	}
	switch {
	case sum <= 0:
		return nil, fmt.Errorf("all weights are 0: somebody must get the traffic")
	case least == most:
		return map[string]int32{most: largest}, nil
	case percent[least] == 0:
		return map[string]int32{most: largest, least: 0}, nil
	}
	share := percent[least] / sum
	if share < 0.0009999 {
		return nil, fmt.Errorf("slot %s is to have %v %%: a load balancer's weights are 0 to %d, so the least share is 0.1 %%", least, share*100, largest)
	}
	low, high := nearest(share)
	return map[string]int32{least: low, most: high}, nil
}

// nearest gives the smallest pair of weights whose share is nearest.
func nearest(share float64) (low, high int32) {
	best := 2.0
	for h := int32(1); h <= largest; h++ {
		exact := share * float64(h) / (1 - share)
		for l := max(1, int32(exact)); l <= min(largest, int32(exact)+1); l++ {
			off := float64(l)/float64(l+h) - share
			if off < 0 {
				off = -off
			}
			if off < best-1e-12 {
				best, low, high = off, l, h
			}
		}
	}
	return low, high
}
