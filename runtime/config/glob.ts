/** Longest pattern and longest path, in characters. Source: PATH_MAX of limits.h. */
const MAX_LENGTH = 4096;

/**
 * Whether a glob names a path: `*` and `?` stand for what has no slash, `[a-z]` and `[^a-z]` for one character, a
 * backslash takes the next character literally. Source: Go's path/filepath.Match, which the original uses.
 * Paths that are relative or have empty, `.` or `..` parts match nothing: they may mean another file than they say.
 */
export function globMatches(pattern: string, path: string): boolean {
  if (pattern.length > MAX_LENGTH || path.length > MAX_LENGTH || !isPlainPath(path)) return false;
  const [wanted, parts] = [pattern.split("/"), path.split("/")];
  return wanted.length === parts.length &&
    wanted.every((piece, at) => pieceMatches(piece, parts[at] ?? ""));
}

function isPlainPath(path: string): boolean {
  const [first, ...parts] = path.split("/");
  return first === "" && parts.length > 0 &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
}

/** Matches by keeping all positions that the pattern can have reached: linear in both lengths, never backtracking. */
function pieceMatches(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern);
  if (tokens === undefined) return false;
  let reached = skipStars(new Set([0]), tokens);
  for (const character of text) {
    const next = new Set<number>();
    for (const at of reached) {
      const token = tokens[at];
      if (token === "*") next.add(at);
      else if (token?.(character)) next.add(at + 1);
    }
    reached = skipStars(next, tokens);
  }
  return reached.has(tokens.length);
}

type Token = "*" | ((character: string) => boolean);

function skipStars(reached: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const at of reached) if (tokens[at] === "*") reached.add(at + 1);
  return reached;
}

/** The pattern in steps; nothing for a malformed one. */
function tokensOf(pattern: string): Token[] | undefined {
  const tokens: Token[] = [];
  const steps = /\*|\?|\[\^?((?:\\.|[^\\\]])+)\]|\\(.)|([^*?[\\])/gsuy;
  while (steps.lastIndex < pattern.length) {
    const match = steps.exec(pattern);
    if (match === null) return undefined;
    const [step, set, escaped, plain] = match;
    if (step === "*") tokens.push("*");
    else if (step === "?") tokens.push(() => true);
    else if (set !== undefined) tokens.push(setToken(set, step.startsWith("[^")));
    else tokens.push((character) => character === (escaped ?? plain));
  }
  return tokens;
}

function setToken(set: string, negated: boolean): Token {
  const letters = Array.from(
    set.matchAll(/\\(.)|(.)/gsu),
    ([, escaped, plain]) => escaped ?? plain ?? "",
  );
  return (character) => {
    for (let at = 0; at < letters.length; at++) {
      const low = letters[at] ?? "";
      const high = letters[at + 1] === "-" ? letters[at + 2] : undefined;
      if (low <= character && character <= (high ?? low)) return !negated;
      if (high !== undefined) at += 2;
    }
    return negated;
  };
}
