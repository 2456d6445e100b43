# fish completion for aim
# Offers what "aim __complete -- WORDS..." prints: lines "word<TAB>help", or ":files" for paths.
function __aim_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  test -z "$current"; and set current ""
  for line in ($words[1] __complete -- $words[2..-1] $current 2>/dev/null)
    if test $line = :files
      __fish_complete_path $current
    else
      echo $line
    end
  end
end
complete -c aim -f -a '(__aim_complete)'
