#compdef aim
# zsh completion for aim
# Offers what "aim __complete -- WORDS..." prints: lines "word<TAB>help", or ":files" for paths.
_aim() {
  local line word help paths=
  local -a candidates
  for line in "${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == :files ]]; then paths=1; continue; fi
    word=${line%%$'\t'*}
    help=${line#"$word"}
    help=${help#$'\t'}
    candidates+=("${word//:/\\:}${help:+:$help}")
  done
  (( $#candidates )) && _describe aim candidates
  if [[ -n $paths ]]; then compset -P '--*='; _files; fi
}
if [[ $funcstack[1] == _aim ]]; then _aim "$@"; else compdef _aim aim; fi
