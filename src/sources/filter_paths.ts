/** True for wanted paths. Files of git, of aim and of Python's client are never wanted. */
export interface PathFilter {
  (path: string): boolean;
  /** Globs that no path has matched so far. */
  unmatched(): readonly string[];
}

/**
 * Filters paths like huggingface_hub's `filter_repo_objects` with allow and ignore patterns: case-sensitive globs of
 * Python's `fnmatch` over the complete path (`*` also matches `/`); a pattern that ends in `/` matches everything
 * below it.
 *
 * @param include Empty for everything.
 */
export function pathFilter(include: readonly string[], exclude: readonly string[]): PathFilter {
  const allowed = include.map(fnmatchRegExp);
  const ignored = exclude.map(fnmatchRegExp);
  const unmatched = new Set([...include, ...exclude]);
  const matching = (path: string, globs: readonly string[], patterns: readonly RegExp[]) => {
    const found = globs.filter((_, at) => patterns[at]?.test(path));
    for (const glob of found) unmatched.delete(glob);
    return found.length > 0;
  };
  const wanted = (path: string) => {
    if (isBookkeepingPath(path)) return false;
    const isAllowed = matching(path, include, allowed) || include.length === 0;
    return !matching(path, exclude, ignored) && isAllowed;
  };
  return Object.assign(wanted, { unmatched: () => [...unmatched] });
}

/**
 * True for files that are not part of a model but may have been uploaded with it: aim's and Python's own, and git's
 * folder, whose hooks and settings git would run.
 */
function isBookkeepingPath(path: string): boolean {
  return path.startsWith(".aim/") || path.startsWith(".cache/huggingface/") ||
    /(?:^|\/)\.git(?:\/|$)/i.test(path);
}

function fnmatchRegExp(glob: string): RegExp {
  const pattern = glob.endsWith("/") ? `${glob}*` : glob;
  // By code point: `?` is one character of any plane.
  const chars = [...pattern];
  let source = "";
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char === "*") source += ".*";
    else if (char === "?") source += ".";
    else if (char !== "[") source += RegExp.escape(char);
    else {
      const end = classEnd(chars, i + 1);
      // An unclosed bracket is an ordinary character.
      source += end < 0 ? "\\[" : classSource(chars.slice(i + 1, end));
      if (end >= 0) i = end;
    }
  }
  return new RegExp(`^(?:${source})$`, "su");
}

/** The end of a class that begins at `from`. A `]` at its start (after `!`) is part of it. */
function classEnd(chars: readonly string[], from: number): number {
  const first = chars[from] === "!" ? from + 1 : from;
  return chars.indexOf("]", chars[first] === "]" ? first + 1 : first);
}

function classSource(chars: readonly string[]): string {
  const negated = chars[0] === "!";
  const members = negated ? chars.slice(1) : chars;
  const parts: string[] = [];
  for (let i = 0; i < members.length; i++) {
    const low = members[i] ?? "";
    const high = members[i + 1] === "-" ? members[i + 2] : undefined;
    if (high === undefined) {
      parts.push(RegExp.escape(low));
      continue;
    }
    // A backward range matches nothing.
    if ((low.codePointAt(0) ?? 0) <= (high.codePointAt(0) ?? 0)) {
      parts.push(`${RegExp.escape(low)}-${RegExp.escape(high)}`);
    }
    i += 2;
  }
  if (parts.length === 0) return negated ? "." : "(?!)";
  return `[${negated ? "^" : ""}${parts.join("")}]`;
}
