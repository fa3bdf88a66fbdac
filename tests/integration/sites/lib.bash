# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests of the sample sites in data/sites share. Sourced after tests/e2e/lib.sh or a lib.bash that brings it along.
#
#	sample samba-ad			# a copy of the sample in $dir/site, for this build; $PROVOST_SITE
#	as_readme 'provost plan --all'	# runs a command that its README gives, word for word

# sample NAME: the sample site of that name, with this build's plugins and the simulator's provisioning certificate
sample() {
	sample_name=$1
	sample_readme=$PV_TOP_SRCDIR/data/sites/$1/README.md
	mkdir -p "$dir"
	cp -r "$PV_TOP_SRCDIR/data/sites/$1" "$dir/site"
	chmod -R u+w,go-rwx "$dir/site"
	cp "$work/pki/chain.pem" "$dir/site/provisioning.pem"
	cp "$work/pki/key.pem" "$dir/site/provisioning.key"
	export PROVOST_SITE=$dir/site/site.json
	edit "$PROVOST_SITE" '."plugin-path" = [ "'"$PV_TOP_BUILDDIR/plugins"'" ]'
	# what only a test needs: its host's clock may be nobody's, and a simulated device restarts at once
	edit "$dir/site/pipeline.json" '(.stages[] | select(.stage == "clock")).synchronised = "ignore" |
		(.stages[] | select(.stage == "commit")).wait = 1'
	mkdir -p "$work/bin"
	ln -sf "$provost" "$work/bin/provost"
	PATH=$work/bin:$PATH
}

# as_readme LINE [FROM TO]: runs the line of the README, where FROM is its word for what the test has at TO
as_readme() {
	local line=$1
	grep -qxF "    $line" "$sample_readme" || {
		echo "the README does not give this line: $line"
		return 1
	}
	[ "$#" -lt 3 ] || line=${line//"$2"/"$3"}
	bash -c "$line"
}

# give_secret NAME VALUE: by the line of the README
give_secret() {
	printf %s "$2" >"$work/given"
	ok "/sites/$sample_name/secret/$1" as_given "provost secret set $1"
	rm "$work/given"
}
as_given() {
	as_readme "$1" <"$work/given"
}

# provision_sample: the README's last part, over all simulated devices; once more, and nothing is left to do
provision_sample() {
	local name address
	cp "$dir/fleet.csv" computers.csv
	ok "/sites/$sample_name/import" as_readme 'provost import computers.csv'
	while read -r name address; do
		"$provost" --quiet set "$name" --address "$address"
	done < <(simulator list --json | jq -r '.[] | "\(.name) \(.address)"')
	ok "/sites/$sample_name/plan" plans_something
	ok "/sites/$sample_name/provision" as_readme 'provost provision --all'
	ok "/sites/$sample_name/verify" as_readme 'provost verify --all'
	ok "/sites/$sample_name/nothing-left" as_readme 'provost plan --all'
}
plans_something() {
	as_readme 'provost plan --all'
	[ $? -eq 2 ]
}
