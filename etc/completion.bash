# petrel(8) in bash: commands, what follows them, and names that the host knows.
_petrel()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} command= sub= i
	local -a options=()

	if [[ $before == -c ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c) options+=(-c "${COMP_WORDS[++i]}") ;;
		-*) ;;
		*) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; elif [[ -z $sub ]]; then sub=${COMP_WORDS[i]}; fi ;;
		esac
	done

	local words=
	case $command:$sub in
	:) words="start stop reload status check config queue greylist user table test trace -c --json --help --version" ;;
	start:) words=-f ;;
	status:) words="--certificates --tables --json" ;;
	check:) words=--json ;;
	config:*) words="--defaults --json $("$program" "${options[@]}" config --defaults 2>/dev/null | sed -n 's/^#\{0,1\}\([a-z0-9][a-z0-9.-]*\)  *.*/\1/p')" ;;
	queue:) words="list show flush hold release delete" ;;
	queue:show) words=$("$program" "${options[@]}" queue list 2>/dev/null | sed -n 's/^\([0-9a-z]\{13\}\) .*/\1/p') ;;
	queue:*) words="--from --to --site --all --json $("$program" "${options[@]}" queue list 2>/dev/null | sed -n 's/^\([0-9a-z]\{13\}\) .*/\1/p')" ;;
	greylist:) words="list allow forget --json" ;;
	user:) words="add passwd certificate list delete" ;;
	user:list) words=--json ;;
	user:passwd | user:certificate | user:delete) words=$("$program" "${options[@]}" user list 2>/dev/null) ;;
	table:) words="build query" ;;
	table:build) words="accounts aliases routes senders domains" ;;
	table:query) [[ $before != query ]] || words="accounts aliases routes senders domains" ;;
	test:) words=session ;;
	test:session) words="--client --name --helo --from --to --service --login --tls --early --score --json" ;;
	trace:) words="--json $("$program" "${options[@]}" user list 2>/dev/null)" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _petrel petrel
