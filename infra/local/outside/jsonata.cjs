// Evaluates JSONata expressions by the reference implementation: a JSON array of
// {expression, states, variables} on standard input, and on standard output an
// array of what each gives: {value}, or {error} where Step Functions fails the
// state, which is also what it does with an undefined result.
const jsonata = require(process.argv[2])

async function evaluate({ expression, states, variables }) {
  try {
    const compiled = jsonata(expression)
    // What Step Functions adds and our state machines use. AWS says what it does
    // with a text; that null stays null is our engine's reading.
    compiled.registerFunction('parse', (text) => JSON.parse(text), '<(sl):x>')
    const value = await compiled.evaluate({}, { states, ...variables })
    return value === undefined ? { error: 'undefined' } : { value }
  } catch (error) {
    return { error: error.message }
  }
}

async function main() {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  process.stdout.write(JSON.stringify(await Promise.all(JSON.parse(text).map(evaluate))))
}

main()
