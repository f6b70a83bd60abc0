# ./test --fuzz SECONDS: coverage-guided fuzzing of every target in fuzz/, SECONDS each. Corpora stand in fuzz/corpus; what crashed is put beside them by hand, as a test.
seconds=$1
need_packages afl++
tools=$root/artifacts/fuzz-tools
out=$root/artifacts/fuzz
rm -rf "$out"
mkdir -p "$out"
[ -x "$tools/sharpfuzz" ] || dotnet tool install SharpFuzz.CommandLine --version 2.3.0 --tool-path "$tools" >/dev/null
restore fuzz/Hatchery.Fuzz.csproj
dotnet publish fuzz/Hatchery.Fuzz.csproj -c Release -o "$out/bin" -v quiet -p:UseSharedCompilation=true
for library in Hatchery.Fdo Hatchery.Est Hatchery.EapNoob Hatchery.Dpp Hatchery.Dtls Hatchery.Coap Hatchery.Radius Hatchery.Pki Hatchery.Cryptography; do "$tools/sharpfuzz" "$out/bin/$library.dll"; done
failed=0
passed=0
for target in $(dotnet "$out/bin/Hatchery.Fuzz.dll" list); do
  AFL_SKIP_BIN_CHECK=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 \
    afl-fuzz -V "$seconds" -i "fuzz/corpus/$target" -o "$out/$target" -t 10000 -m none -- dotnet "$out/bin/Hatchery.Fuzz.dll" "$target" >"$out/$target.log" 2>&1
  stats=$out/$target/default/fuzzer_stats
  crashes=$(awk '/^saved_crashes/{print $3}' "$stats")
  hangs=$(awk '/^saved_hangs/{print $3}' "$stats")
  echo "$target: $(awk '/^execs_done/{print $3}' "$stats") runs, $(awk '/^edges_found/{print $3}' "$stats") edges, $crashes crashes, $hangs hangs"
  if [ "$crashes" -eq 0 ] && [ "$hangs" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
