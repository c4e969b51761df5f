package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

func aslCommand(s *settings) *cobra.Command {
	return group("asl", "Run Amazon States Language definitions", aslRun(s))
}

func aslRun(s *settings) *cobra.Command {
	var input string
	var leap bool
	c := &cobra.Command{
		Use: "run DEFINITION", Short: "Run a definition on its own and print its history", Args: exactly(1),
		Long: `Run a definition by the engine of the local stack, without a stack, and print its
history event by event: seconds since the start, the event's id, the id of the event
that caused it, and what it says. With --json each line is a HistoryEvent of
GetExecutionHistory. A definition that is wrong is refused with the JSON pointer of
every mistake, as AWS does.

--leap skips waits: a day's bake takes no time. Tasks need the world, and there is
none here: a definition with a Task is refused (sluice up runs those).
Exit code 3: the execution ended other than SUCCEEDED.`,
		RunE: func(c *cobra.Command, args []string) error {
			run := asl.FileRun{Path: args[0], Leap: leap, JSON: s.json, Out: c.OutOrStdout()}
			if input != "" {
				text, err := os.ReadFile(input)
				if err != nil {
					return fmt.Errorf("read the input: %w", err)
				}
				run.Input = string(text)
			}
			result, err := asl.RunFile(c.Context(), run)
			if err != nil {
				return explainASL(args[0], err)
			}
			return endASL(result)
		},
	}
	c.Flags().StringVar(&input, "input", "", "a JSON file with the execution's input (default: {})")
	c.Flags().BoolVar(&leap, "leap", false, "skip waits")
	return c
}

// explainASL lists a definition's mistakes, one a line, at their JSON pointers.
func explainASL(path string, err error) error {
	var wrong *asl.DefinitionError
	if !errors.As(err, &wrong) {
		return err
	}
	text := fmt.Sprintf("%s is not a state machine that can run here:", path)
	for _, p := range wrong.Problems {
		text += fmt.Sprintf("\n  %s: %s (%s)", p.Pointer, p.Message, p.Code)
	}
	return errors.New(text)
}

func endASL(result asl.Result) error {
	if result.Status == asl.Succeeded {
		return nil
	}
	text := fmt.Sprintf("the execution ended %s", result.Status)
	if result.Error != nil {
		text += ": " + *result.Error
	}
	if result.Cause != nil {
		text += ": " + *result.Cause
	}
	return endedError{errors.New(text)}
}
