/** True for wanted paths. Files of git, of aim and of Python's client are never wanted. */
export interface PathFilter {
  (path: string): boolean;
  /** Globs that no path has matched so far. */
  unmatched(): readonly string[];
}

/**
 * Filters paths like huggingface_hub's `filter_repo_objects`: by case-sensitive globs of Python's `fnmatch`
 * over the complete path (`*` also matches `/`); a glob that ends in `/` matches everything below it.
 *
 * @param include Empty for everything.
 */
export function pathFilter(include: readonly string[] = [], exclude: readonly string[] = []): PathFilter {
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
 * True for files that were uploaded by mistake: aim's and Python's own, and git's folder, whose hooks git
 * would run.
 */
function isBookkeepingPath(path: string): boolean {
  return path.startsWith(".aim/") || path.startsWith(".cache/huggingface/") ||
    /(?:^|\/)\.git(?:\/|$)/i.test(path);
}

/**
 * A class of characters, or one character. A `]` at the start of a class (after `!`) is part of it. The
 * lookahead prevents backtracking, so that an unclosed bracket is an ordinary character.
 */
const TOKEN = /\[(?=(!?\]?[^\]]*))\1\]|./gsu;
const WILDCARDS: Readonly<Record<string, string>> = { "*": ".*", "?": "." };

function fnmatchRegExp(glob: string): RegExp {
  const pattern = glob.endsWith("/") ? `${glob}*` : glob;
  const source = pattern.replace(
    TOKEN,
    (token, members?: string) =>
      members === undefined ? WILDCARDS[token] ?? RegExp.escape(token) : classSource(members),
  );
  return new RegExp(`^(?:${source})$`, "su");
}

function classSource(members: string): string {
  const negated = members.startsWith("!");
  const source = members.slice(negated ? 1 : 0).replace(
    /(.)-(.)|./gsu,
    (one, low?: string, high?: string) => {
      if (low === undefined || high === undefined) return RegExp.escape(one);
      // A backward range matches nothing.
      const isForward = (low.codePointAt(0) ?? 0) <= (high.codePointAt(0) ?? 0);
      return isForward ? `${RegExp.escape(low)}-${RegExp.escape(high)}` : "";
    },
  );
  if (source === "") return negated ? "." : "(?!)";
  return `[${negated ? "^" : ""}${source}]`;
}
