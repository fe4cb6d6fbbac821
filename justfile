# `just` lists the recipes; each is one command that also works without just.

default:
    @just --list

# what runs before a change lands
check:
    .ci/run

# every test
test:
    go test ./...

# the demo, on a store of its own
demo:
    go run ./cmd/blue-store demo

# format the sources
fmt:
    gofmt -w .

# the benchmark behind the figures of the README
bench:
    go test -run '^$' -bench . -benchtime 20x ./encrypted ./envelope

# the long form of the campaigns: kills, tampering, fuzzing
campaign:
    BLUE_CAMPAIGN=long go test -timeout 5h ./internal/campaign/...
