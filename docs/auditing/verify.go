// Verifies what a SESN ledger shows to strangers, with the transparency log packages of the Go
// project alone: golang.org/x/mod/sumdb/note and tlog. It shares no code with the node.
//
//	verify checkpoint VKEY CHECKPOINT       the ledger signed it
//	verify proof VKEY PROOF LEAF            the leaf is in the ledger (C2SP tlog-proof)
//	verify grown VKEY CHECKPOINT DIR        the ledger in DIR continues that of CHECKPOINT
//	verify tiles VKEY DIR                   all entries hash to all tiles and to the checkpoint
//
// Ed25519 signatures only: these packages know no ML-DSA-44.
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// must ends the program at the first error: nothing after a failed check counts.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal("FAILED: ", err)
	}
	return value
}

func check(err error) { must(0, err) }

// open verifies a checkpoint: signed by the key, and of the ledger that the key is named after.
func open(vkey string, data []byte) tlog.Tree {
	verifier := must(note.NewVerifier(vkey))
	signed := must(note.Open(data, note.VerifierList(verifier)))
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		log.Fatal("FAILED: not a checkpoint of ", verifier.Name())
	}
	tree := tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: must(tlog.ParseHash(lines[2]))}
	fmt.Printf("ok: %s, %d entries, root %v, signed with Ed25519\n", lines[0], tree.N, tree.Hash)
	return tree
}

// folder reads tiles from files; tlog verifies each one before it believes it.
type folder string

func (dir folder) Height() int                             { return 8 }
func (dir folder) SaveTiles(tiles []tlog.Tile, _ [][]byte) {}
func (dir folder) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		data = append(data, must(os.ReadFile(dir.path(tile))))
	}
	return data, nil
}

// path leaves out the height, which C2SP tlog-tiles fixes at 8, and names bundles after C2SP.
func (dir folder) path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	return filepath.Join(string(dir), strings.Replace(path, "/data/", "/entries/", 1))
}

func proof(vkey string, data, leaf []byte) {
	top, checkpoint, _ := strings.Cut(string(data), "\n\n")
	tree := open(vkey, []byte(checkpoint))
	lines := strings.Split(top, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || len(lines) < 2 {
		log.Fatal("FAILED: not a tlog-proof")
	}
	if strings.HasPrefix(lines[1], "extra ") { // Nobody signed it.
		lines = lines[1:]
	}
	index := must(strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64))
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		path = append(path, must(tlog.ParseHash(line)))
	}
	check(tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(leaf)))
	fmt.Printf("ok: %d bytes, leaf hash %v, are entry %d\n", len(leaf), tlog.RecordHash(leaf), index)
}

func grown(vkey string, checkpoint []byte, dir folder) {
	old, tree := open(vkey, checkpoint), open(vkey, must(os.ReadFile(filepath.Join(string(dir), "checkpoint"))))
	path := must(tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, dir)))
	check(tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash))
	fmt.Printf("ok: %d entries continue those %d, by a proof of %d hashes\n", tree.N, old.N, len(path))
}

func tiles(vkey string, dir folder) {
	tree := open(vkey, must(os.ReadFile(filepath.Join(string(dir), "checkpoint"))))
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, err error) {
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	for n := int64(0); n < tree.N; {
		width := min(256, tree.N-n)
		bundle := must(os.ReadFile(dir.path(tlog.Tile{H: 8, L: -1, N: n / 256, W: int(width)})))
		for end := n + width; n < end; n++ {
			size := len(bundle) + 1
			if len(bundle) >= 2 {
				size = 2 + int(binary.BigEndian.Uint16(bundle))
			}
			if size > len(bundle) {
				log.Fatalf("FAILED: cut off within entry %d", n)
			}
			stored = append(stored, must(tlog.StoredHashes(n, bundle[2:size], reader))...)
			bundle = bundle[size:]
		}
		if len(bundle) != 0 {
			log.Fatalf("FAILED: %d bytes after entry %d", len(bundle), n-1)
		}
	}
	if root := must(tlog.TreeHash(tree.N, reader)); root != tree.Hash {
		log.Fatal("FAILED: the entries hash to another root, ", root)
	}
	count := 0
	for _, tile := range tlog.NewTiles(8, 0, tree.N) {
		// NewTiles names every width on the way; the tree at its size has the widest only.
		if tile.W < 256 && int64(tile.W) != tree.N>>(8*tile.L)&255 {
			continue
		}
		count++
		if string(must(os.ReadFile(dir.path(tile)))) != string(must(tlog.ReadTileData(tile, reader))) {
			log.Fatal("FAILED: ", dir.path(tile), " is not what the entries hash to")
		}
	}
	fmt.Printf("ok: %d entries hash to %d tiles and to the root\n", tree.N, count)
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func main() {
	log.SetFlags(0)
	read := func(at int) []byte { return must(os.ReadFile(os.Args[at])) }
	switch args := os.Args; {
	case len(args) == 4 && args[1] == "checkpoint":
		open(args[2], read(3))
	case len(args) == 5 && args[1] == "proof":
		proof(args[2], read(3), read(4))
	case len(args) == 5 && args[1] == "grown":
		grown(args[2], read(3), folder(args[4]))
	case len(args) == 4 && args[1] == "tiles":
		tiles(args[2], folder(args[3]))
	default:
		log.Fatal("verify checkpoint|proof|grown|tiles VKEY ..., see the top of verify.go")
	}
}
