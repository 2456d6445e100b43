# bash completion for aim
# Offers what "aim __complete -- WORDS..." prints: lines "word<TAB>help", or ":files" for paths.
# Bash splits words at = and : too, and replaces only what follows the last of them.
_aim() {
  local line=${COMP_LINE:0:COMP_POINT} current kept word paths=
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[${#words[@]}-1]}
  kept=${current%"${current##*[=:]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    if [[ $word == :files ]]; then paths=1; else COMPREPLY+=("${word#"$kept"}"); fi
  done < <("${words[0]/#\~/$HOME}" __complete -- "${words[@]:1}" 2>/dev/null)
  if [[ $paths ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${current#"$kept"}")
  fi
}
complete -F _aim aim
